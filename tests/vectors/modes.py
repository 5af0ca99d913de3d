#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes modes.txt: modes.py >modes.txt

The derivations above the flow by Python's own hmac and hashlib, for each KEM and KDF."""

import hashlib
import hmac

HEAD = """\
# SPDX-License-Identifier: BSD-2-Clause
# By modes.py: numbers are decimal, all else is hexadecimal.
"""
KEMS = [0x0010, 0x0020]
KDFS = {0x0001: hashlib.sha256, 0x0003: hashlib.sha512}
AEADS = [0x0002, 0x0003]


def octets(what, length):
    """Some, always the same."""
    return hashlib.shake_256(what.encode()).digest(length)


class Suite:
    def __init__(self, kem, kdf, aead):
        self.numbers = {"kem_id": kem, "kdf_id": kdf, "aead_id": aead}
        self.suite_id = b"HPKE" + b"".join(n.to_bytes(2, "big") for n in (kem, kdf, aead))
        self.digest = KDFS[kdf]
        self.nh = self.digest().digest_size

    def mac(self, key, message):
        return hmac.new(key, message, self.digest).digest()

    def hash(self, message):
        return self.digest(message).digest()

    def extract(self, salt, label, ikm):
        # RFC 5869 section 2.2: no salt is as many zeros as the hash has octets.
        return self.mac(salt or bytes(self.nh), b"HPKE-v1" + self.suite_id + label.encode() + ikm)

    def expand(self, prk, label, info, length):
        labeled = length.to_bytes(2, "big") + b"HPKE-v1" + self.suite_id + label.encode() + info
        out, block = b"", b""
        while len(out) < length:
            block = self.mac(prk, block + labeled + bytes([len(out) // self.nh + 1]))
            out += block
        return out[:length]

    def secret(self, prk, label, info):
        return self.expand(prk, label, info, self.nh)


def vector(suite, seed, pair_key_len):
    v = dict(suite.numbers)
    v["group_id"] = int.from_bytes(octets(seed + " group", 2), "big")
    v["kem_shared"] = octets(seed + " kem_shared", 32)
    v["salt"] = octets(seed + " salt", 32)
    v["transcript"] = octets(seed + " transcript", 300)
    v["client"] = octets(seed + " client", 16)
    v["server"] = octets(seed + " server", 16)
    v["k_i"] = octets(seed + " k_i", pair_key_len)
    v["k_r"] = octets(seed + " k_r", pair_key_len)
    v["hash"] = suite.hash(v["transcript"])
    prk = suite.extract(v["salt"], "pdmv2 pms", v["kem_shared"])
    v["pms"] = pms = suite.secret(prk, "pdmv2 transcript", v["hash"])
    v["pss_group"] = suite.secret(pms, "pdmv2 pss", v["group_id"].to_bytes(2, "big"))
    v["shared_group"] = suite.secret(v["pss_group"], "pdmv2 pcs", v["client"])
    v["pss_server"] = suite.secret(pms, "pdmv2 pss", v["server"])
    v["shared_server"] = suite.secret(v["pss_server"], "pdmv2 pcs", v["client"])
    v["poll_pcs"] = suite.secret(pms, "pdmv2 pcs", v["client"])
    v["poll_shared"] = suite.secret(v["poll_pcs"], "pdmv2 pss", v["server"])
    v["confirm"] = suite.mac(suite.secret(pms, "pdmv2 confirm", b""), v["transcript"])
    v["ibc_ikm"] = suite.expand(pms, "pdmv2 ibc", b"", 64)
    v["pair_key"] = suite.extract(v["k_i"] + v["k_r"], "pdmv2 pair", v["hash"])
    return v


def main():
    print(HEAD)
    for kem in KEMS:
        for kdf in KDFS:
            for aead in AEADS:
                suite = Suite(kem, kdf, aead)
                name = f"{kem:04x}-{kdf:04x}-{aead:04x}"
                print(f"[suite {name}]")
                for key, value in vector(suite, name, 32 if aead == 2 else 64).items():
                    print(f"{key} = {value.hex() if isinstance(value, bytes) else value}")
                print()


main()
