"""Verifies exports and proofs of Purser's receipt log; written from docs/receipts.md alone, with the standard library.
Usage: verify.py FILE KEYS.json [WITNESS_KEY]. Exit code 0: holds; 1: does not, and says at which receipt."""
import base64, hashlib, json, re, sys

# Ed25519 (RFC 8032, section 5.1.7), slow and plain.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
def recover(raw):
    y = int.from_bytes(raw, "little"); sign = y >> 255; y &= 2**255 - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P: x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - x2) % P or (x == 0 and sign): raise ValueError("no point of the curve")
    if x & 1 != sign: x = P - x
    return (x, y, 1, x * y % P)
def add(a, b):
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    t, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, z - t, z + t, n + m
    return (e * f % P, g * h % P, f * g % P, e * h % P)
def times(n, point):
    total = (0, 1, 1, 0)
    while n:
        if n & 1: total = add(total, point)
        point = add(point, point); n >>= 1
    return total
GY = 4 * pow(5, -1, P) % P
G = recover(GY.to_bytes(32, "little"))
def genuine(key, message, signature):
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= L: return False
    try: point, r = recover(key), recover(signature[:32])
    except ValueError: return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(int.from_bytes(signature[32:], "little"), G), add(r, times(k, point))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)

sha = lambda data: hashlib.sha256(data).digest()
def need(holds, what):
    if not holds: raise ValueError(what)
def canonical(value):  # RFC 8785; receipts hold no fractions
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(canonical(name) + ":" + canonical(value[name]) for name in names) + "}"
    if isinstance(value, list): return "[" + ",".join(map(canonical, value)) + "]"
    need(not isinstance(value, float), "a number has a fraction")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
def b64(text, url=False):
    raw = base64.b64decode(text + ("=" * (-len(text) % 4) if url else ""), b"-_" if url else None, validate=True)
    again = base64.b64encode(raw, b"-_" if url else None).decode()
    need(again.rstrip("=") == text if url else again == text, "base64 in another spelling")
    return raw
def thumbprint(x): return base64.urlsafe_b64encode(sha(canonical({"crv": "Ed25519", "kty": "OKP", "x": x}).encode())).decode().rstrip("=")
def includes(index, size, leaf, proof, root):  # RFC 9162, section 2.1.3.2
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0: return False
        if fn & 1 or fn == sn:
            r = sha(b"\1" + p + r)
            while not fn & 1 and fn: fn >>= 1; sn >>= 1
        else: r = sha(b"\1" + r + p)
        fn >>= 1; sn >>= 1
    return len(proof) <= 63 and sn == 0 and r == root
def root_of(levels):
    r = None
    for h in levels:
        if h: r = h if r is None else sha(b"\1" + h + r)
    return r

class Log:
    def __init__(self, name, jwks):
        own = [k for k in jwks["keys"] if k.get("log", name) == name]
        self.name, self.seq, self.hash, self.expected, self.checkpoint, self.ended = name, None, "0" * 64, None, None, False
        self.keys = {thumbprint(k["x"]): [b64(k["x"], True), k.get("seq"), None] for k in own}
        dated = sorted((k["seq"], thumbprint(k["x"])) for k in own if "seq" in k)
        for (_, kid), (after, _) in zip(dated, dated[1:]): self.keys[kid][2] = after - 1
        self.levels = []
    def jws(self, jws, typ, payload, pick):
        header, body, signature = jws.split(".")
        kid = json.loads(b64(header, True))["kid"]
        need(b64(header, True).decode() == canonical({"alg": "EdDSA", "kid": kid, "typ": typ}), "another header")
        need(b64(body, True) == payload, "the signature is over other bytes")
        need(kid in self.keys, "an unknown key")
        need(genuine(pick(kid), (header + "." + body).encode(), b64(signature, True)), "the signature is wrong")
        return b64(signature, True)
    def signer(self, kid):
        key, first, last = self.keys[kid]
        need(self.expected in (None, kid), "another key, and no rotation")
        need((first is None or first <= self.seq) and (last is None or self.seq <= last), "a key out of its time")
        self.expected = kid
        return key
    def teller(self, seq):  # of heads and checkpoints
        def pick(kid):
            key, first, last = self.keys[kid]
            need(self.expected in (None, kid) or (first or 0) > seq, "another key than the receipts")
            need(last is None or seq < last, "a retired key")
            return key
        return pick
    def receipt(self, line):
        need(not self.ended, "something follows the head")
        r = line["receipt"]; payload = canonical(r).encode()
        if self.seq is None: self.first, self.seq = r["seq"], r["seq"] - 1; self.hash = self.hash if r["seq"] == 1 else r["prev"]
        self.seq += 1
        need(r["v"] == 1 and r["seq"] == self.seq and r["log"] == self.name and r["id"] == f"{self.name}.{self.seq}", "another place")
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r["at"]), "no instant")
        need(r["prev"] == self.hash, "prev is not the hash before"); self.hash = sha(payload).hex()
        need(line["hash"] == self.hash and set(line) == {"hash", "receipt", "signature"}, "the hash is wrong")
        carry = leaf = sha(b"\0" + bytes.fromhex(self.hash) + self.jws(line["signature"], "purser-receipt+jws", payload, self.signer))
        if "nextKey" in r:
            kid, x = r["nextKey"]["kid"], r["nextKey"]["x"]
            need(r["kind"] == "operator" and kid == thumbprint(x) and kid != self.expected, "no rotation")
            later = sorted((k[1], n) for n, k in self.keys.items() if (k[1] or 0) > self.seq)
            need(not later or later[0] == (self.seq + 1, kid), "the key set names another next key")
            self.keys[self.expected][2] = self.seq
            self.keys[kid] = [b64(x, True), self.seq + 1, self.keys.get(kid, [0, 0, None])[2]]; self.expected = kid
        level = 0
        while level < len(self.levels) and self.levels[level]: carry = sha(b"\1" + self.levels[level] + carry); self.levels[level] = None; level += 1
        self.levels[level:level + 1] = [carry]
        if self.checkpoint and self.seq == self.checkpoint["seq"]:
            c = self.checkpoint
            need(includes(self.seq - 1, c["size"], leaf, c["proof"], c["root"]), "not in the checkpoint")
            need(self.first > 1 or self.seq < c["size"] or root_of(self.levels) == c["root"], "not the checkpoint's receipts")
            self.checkpoint["met"] = True
    def take_checkpoint(self, note, proof, seq):
        need(self.seq is None and self.checkpoint is None, "a checkpoint after receipts")
        text, lines = note[:note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2:].splitlines()
        origin, size, root = text.split("\n")[:3]
        need(text == f"{origin}\n{int(size)}\n{root}\n" and origin == "purser/" + self.name, "no checkpoint")
        self.checkpoint = dict(text=text, lines=lines, size=int(size), root=b64(root), proof=[b64(h) for h in proof], seq=seq, met=False)
    def conclude(self, witness):
        need(self.ended, "the head is missing")
        c = self.checkpoint
        if c:
            need(c["met"], "the checkpoint's receipt is missing")
            told = [k[0] for k in self.keys.values() if k[2] is None or c["size"] < k[2]]
            need(self.signed("purser/" + self.name, 1, told), "the checkpoint is not signed")
        if witness:
            name, _, material = witness.split("+", 2)
            need(c and self.signed(name, 4, [b64(material)[1:]]), "no cosignature of the witness")
    def signed(self, name, kind, keys):
        found = False
        for line in self.checkpoint["lines"]:
            dash, who, raw = line.split(" "); raw = b64(raw)
            need(dash == "\u2014", "no line of signature")
            for key in keys:
                if who != name or raw[:4] != sha(name.encode() + b"\n" + bytes([kind]) + key)[:4]: continue
                time, sig = (raw[4:12], raw[12:]) if kind == 4 else (b"", raw[4:])
                before = f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n" if kind == 4 else ""
                need(genuine(key, (before + self.checkpoint["text"]).encode(), sig), "a signature under the checkpoint is wrong")
                found = True
        return found

def main(path, keys, witness=None):
    jwks, logs, current = json.load(open(keys)), {}, None
    try:
        for raw in open(path, "rb").read().decode().split("\n")[:-1]:
            line = json.loads(raw)
            need(isinstance(line, dict) and canonical(line) == raw, "a line is not canonical JSON")
            name = (line.get("receipt") or line.get("head") or {}).get("log") or line["checkpoint"].split("\n")[0][7:]
            current = logs.setdefault(name, Log(name, jwks))
            if "checkpoint" in line:
                single = "receipt" in line
                current.take_checkpoint(line.pop("checkpoint"), line.pop("proof"), line["receipt"]["seq"] if single else line["seq"])
                if single: current.receipt(line); current.ended = True
            elif "receipt" in line: current.receipt(line)
            else:
                head = line["head"]
                need(not current.ended and set(head) == {"at", "hash", "log", "seq"} and set(line) == {"head", "signature"}, "no head")
                need((head["seq"], head["hash"]) == (current.seq or 0, current.hash), "the head is of another receipt")
                current.jws(line["signature"], "purser-head+jws", canonical(head).encode(), current.teller(head["seq"]))
                current.ended = True
        need(logs and open(path, "rb").read().endswith(b"\n"), "cut short")
        for current in logs.values(): current.conclude(witness)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as fault:
        print(f"NOT intact: at or after seq {(current and current.seq) or 0}: {fault}")
        return 1
    for log in logs.values(): print(f"log {log.name} is intact up to seq {log.seq or 0}")
    return 0

if __name__ == "__main__": sys.exit(main(*sys.argv[1:]))
