"""What other people's standards say, as far as verify.py needs it: RFC 4648, 7638, 8785 and 9162, C2SP signed notes."""
import base64, hashlib, json
from ed25519 import is_signed

def sha(data): return hashlib.sha256(data).digest()
def need(holds, what):
    if not holds: raise ValueError(what)
def canonical(value):  # RFC 8785; receipts hold no fractions
    need(not isinstance(value, float), "a number has a fraction")
    if isinstance(value, list): return "[" + ",".join(map(canonical, value)) + "]"
    if not isinstance(value, dict): return json.dumps(value, ensure_ascii=False)
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
def b64(text, extra=b"+/", pad=""):
    raw = base64.b64decode(text + pad, extra, validate=True)
    need(base64.b64encode(raw, extra).decode() == text + pad, "base64 in another spelling")
    return raw
def b64url(text): return b64(text, b"-_", "=" * (-len(text) % 4))
def kid_of(x):  # RFC 7638
    return base64.urlsafe_b64encode(sha(canonical({"crv": "Ed25519", "kty": "OKP", "x": x}).encode())).decode()[:-1]
def half(size): return 1 << (size - 1).bit_length() - 1  # the largest power of two below it
def root(leaves):  # RFC 9162, section 2.1.1
    if len(leaves) == 1: return leaves[0]
    n = half(len(leaves))
    return sha(b"\1" + root(leaves[:n]) + root(leaves[n:]))
def root_by(proof, index, size, leaf):  # the same as RFC 9162, section 2.1.3.2, from the top down
    need(bool(proof) == (size > 1), "the proof has another length")
    if size == 1: return leaf
    *below, beside = proof
    n = half(size)
    if index < n: return sha(b"\1" + root_by(below, index, n, leaf) + beside)
    return sha(b"\1" + beside + root_by(below, index - n, size - n, leaf))
class Checkpoint:  # C2SP tlog-checkpoint: a tree's size and root, in a signed note
    def __init__(self, note, origin):
        text, _, lines = note.rpartition("\n\n")
        name, size, top = text.split("\n")
        need(name == origin and size == str(int(size)), "no checkpoint")
        self.text, self.lines, self.size, self.top = text + "\n", lines.splitlines(), int(size), b64(top)
    def signed(self, name, kind, keys):  # 1: signed-note; 4: tlog-cosignature, with the time before the signature
        found = False
        for line in self.lines:
            dash, who, raw = line.split(" ")
            need(dash == "\u2014", "no line of signature")
            for key in keys:
                known, rest = sha(name.encode() + b"\n" + bytes([kind]) + key)[:4], b64(raw)[4:]
                if who != name or b64(raw)[:4] != known: continue
                text, signature = self.text, rest
                if kind == 4: text, signature = f"cosignature/v1\ntime {int.from_bytes(rest[:8], 'big')}\n{text}", rest[8:]
                need(is_signed(key, text.encode(), signature), "a signature under the checkpoint is wrong")
                found = True
        return found
    def cosigned(self, witness):  # a witness by its vkey
        name, _, material = witness.split("+", 2)
        return self.signed(name, 4, [b64(material)[1:]])
