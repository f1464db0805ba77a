"""Verifies exports and proofs of Purser's receipt log; written from docs/receipts.md alone, with the standard library.
Usage: verify.py FILE KEYS.json [WITNESS_KEY]. Exit code 0: holds; 1: does not, and says at which receipt."""
import json, math, re, sys
from ed25519 import is_signed
from standards import Checkpoint, b64, b64url, canonical, kid_of, need, root, root_by, sha

class Log:
    def __init__(self, name, jwks):
        self.name, self.first, self.seq, self.hash, self.kid, self.leaves = name, 1, 0, "0" * 64, None, []
        self.checkpoint, self.ended, self.keys = None, False, {}
        after = math.inf
        for key in sorted(jwks["keys"], key=lambda key: -key.get("seq", 0)):
            if key.get("log", name) != name: continue
            self.keys[kid_of(key["x"])] = {"x": b64url(key["x"]), "first": key.get("seq", 0), "last": after - 1}
            after = key.get("seq", math.inf)
    def opened(self, jws, typ, payload):  # the kid and the signature of a compact JWS over these bytes
        header, body, signature = jws.split(".")
        kid = json.loads(b64url(header))["kid"]
        need(b64url(header).decode() == canonical({"alg": "EdDSA", "kid": kid, "typ": typ}), "another header")
        need(b64url(body) == payload and kid in self.keys, "signed over other bytes, or by an unknown key")
        need(is_signed(self.keys[kid]["x"], f"{header}.{body}".encode(), b64url(signature)), "the signature is wrong")
        return kid, b64url(signature)
    def take(self, line):
        single = "checkpoint" in line and "receipt" in line  # a proof of one receipt, without a head
        if "checkpoint" in line: self.take_checkpoint(line.pop("checkpoint"), line.pop("proof"), line)
        if "receipt" in line: self.receipt(line)
        if "head" in line: self.head(line)
        self.ended = self.ended or single
    def receipt(self, line):
        receipt = line["receipt"]
        payload = canonical(receipt).encode()
        if not self.leaves and receipt["seq"] != 1:
            self.first, self.seq, self.hash = receipt["seq"], receipt["seq"] - 1, receipt["prev"]
        self.seq += 1
        place = {"v": 1, "log": self.name, "seq": self.seq, "id": f"{self.name}.{self.seq}", "prev": self.hash}
        need(not self.ended and place.items() <= receipt.items(), "another receipt belongs here")
        need(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", receipt["at"]), "no instant")
        self.hash = sha(payload).hex()
        need(line["hash"] == self.hash and set(line) == {"hash", "receipt", "signature"}, "the hash is wrong")
        kid, signature = self.opened(line["signature"], "purser-receipt+jws", payload)
        need(self.kid in (None, kid), "another key, and no rotation")
        need(self.keys[kid]["first"] <= self.seq <= self.keys[kid]["last"], "a key out of its time")
        self.kid = kid
        self.leaves.append(sha(b"\0" + bytes.fromhex(self.hash) + signature))
        if "nextKey" in receipt: self.rotate(**receipt["nextKey"], kind=receipt["kind"])
        if self.checkpoint and self.seq == self.proven: self.meet(self.checkpoint.size, self.checkpoint.top)
    def rotate(self, kid, x, kind):
        need(kind == "operator" and kid == kid_of(x) and kid != self.kid, "no rotation")
        later = [(key["first"], name) for name, key in self.keys.items() if key["first"] > self.seq]
        need(not later or min(later) == (self.seq + 1, kid), "the key set names another next key")
        self.keys[self.kid]["last"] = self.seq
        self.keys.setdefault(kid, {"last": math.inf}).update(x=b64url(x), first=self.seq + 1)
        self.kid = kid
    def take_checkpoint(self, note, proof, of):
        need(not self.leaves and not self.checkpoint, "a checkpoint after receipts")
        self.checkpoint, self.proof = Checkpoint(note, "purser/" + self.name), [b64(step) for step in proof]
        self.proven = (of["receipt"] if "receipt" in of else of)["seq"]
    def meet(self, size, top):  # the receipt that the proof is of
        need(self.seq <= size and len(self.proof) <= 63, "no proof")
        need(root_by(self.proof, self.seq - 1, size, self.leaves[-1]) == top, "not in the checkpoint")
        need(self.first > 1 or self.seq < size or root(self.leaves) == top, "not the checkpoint's receipts")
    def may_tell(self, kid, seq):  # where the log stood at `seq`: a later key may, a retired one may not
        return (self.kid in (None, kid) or self.keys[kid]["first"] > seq) and seq < self.keys[kid]["last"]
    def head(self, line):
        head = line["head"]
        need(not self.ended and set(head) == {"at", "hash", "log", "seq"} and set(line) == {"head", "signature"}, "no head")
        need((head["seq"], head["hash"]) == (self.seq, self.hash), "the head is of another receipt")
        kid, _ = self.opened(line["signature"], "purser-head+jws", canonical(head).encode())
        need(self.may_tell(kid, self.seq), "a head by a retired key")
        self.ended = True
    def conclude(self, witness):
        need(self.ended, "the head is missing")
        need(not witness or self.checkpoint and self.checkpoint.cosigned(witness), "no cosignature of the witness")
        if not self.checkpoint: return
        need(self.first <= self.proven <= self.seq, "the checkpoint's receipt is missing")
        keys = [key["x"] for key in self.keys.values() if self.checkpoint.size < key["last"]]
        need(self.checkpoint.signed("purser/" + self.name, 1, keys), "the checkpoint is not signed")

def main(path, keys, witness=None):
    jwks, logs, log = json.load(open(keys)), {}, None
    try:
        text = open(path, "rb").read().decode()
        for raw in text.split("\n")[:-1]:
            line = json.loads(raw)
            need(isinstance(line, dict) and canonical(line) == raw, "a line is not canonical JSON")
            name = (line.get("receipt") or line.get("head") or {}).get("log") or line["checkpoint"].split("\n")[0][7:]
            log = logs.setdefault(name, Log(name, jwks))
            log.take(line)
        need(logs and text.endswith("\n"), "cut short")
        for log in logs.values(): log.conclude(witness)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as fault:
        print(f"NOT intact: at or after seq {log.seq if log else 0}: {fault}")
        return 1
    for log in logs.values(): print(f"log {log.name} is intact up to seq {log.seq}")
    return 0

if __name__ == "__main__": sys.exit(main(*sys.argv[1:]))
