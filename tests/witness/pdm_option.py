# SPDX-License-Identifier: BSD-2-Clause
"""The witness's own keys and options: labelled HKDF, key schedule, the three formats.

Written from the drafts and RFCs alone and sharing no code with the product, so that an
error made in one of the two shows as a disagreement.
"""
import ipaddress
import struct
from collections import namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

OPTION_TYPE = 0x0F
VERSION = 2
LEN_RFC8250, LEN_PLAIN, LEN_ENCRYPTED = 10, 18, 34
FORMATS = {LEN_RFC8250: "rfc8250", LEN_PLAIN: "plain", LEN_ENCRYPTED: "encrypted"}

# RFC 9180 section 7: HKDF-SHA256 is 1, HKDF-SHA512 is 3; AES-256-GCM is 2, ChaCha20-Poly1305 is 3.
HASHES = {1: hashes.SHA256, 3: hashes.SHA512}
AEADS = {2: AESGCM, 3: ChaCha20Poly1305}
AEAD_NAMES = {"aes-256-gcm": 2, "chacha20-poly1305": 3}
KDF_NAMES = {"hkdf-sha256": 1, "hkdf-sha512": 3}
NK, NN, TAG_LEN, PLAINTEXT_LEN, AAD_LEN = 32, 12, 16, 14, 6

ASEC_PER_NS = 10**9
PROTO_ICMPV6 = 58
PORT_PROTOS = {6: "tcp", 17: "udp", 33: "dccp", 132: "sctp", 136: "udplite"}
ECHO_REQUEST, ECHO_REPLY = 128, 129

Suite = namedtuple("Suite", "kem_id kdf_id aead_id", defaults=(0, 1, 2))
Key = namedtuple("Key", "kri key base_nonce")
Fields = namedtuple(
    "Fields",
    "scale_dtlr scale_dtls global_pointer psntp psnlr delta_tlr delta_tls",
    defaults=(0,) * 7,
)


class OptionError(ValueError):
    """An option that a receiver ignores and counts; the text says why."""


def hash_len(suite):
    return HASHES[suite.kdf_id].digest_size


def suite_id(suite):
    return b"HPKE" + struct.pack(">HHH", *suite)


def labeled_extract(suite, salt, label, ikm):
    """RFC 9180 section 4, LabeledExtract; HKDF-Extract is HMAC keyed by the salt."""
    digest = HASHES[suite.kdf_id]()
    mac = hmac.HMAC(salt or bytes(digest.digest_size), digest)
    mac.update(b"HPKE-v1" + suite_id(suite) + label + ikm)
    return mac.finalize()


def labeled_expand(suite, prk, label, info, length):
    """RFC 9180 section 4, LabeledExpand."""
    labeled = struct.pack(">H", length) + b"HPKE-v1" + suite_id(suite) + label + info
    return HKDFExpand(HASHES[suite.kdf_id](), length, labeled).derive(prk)


def hkdf(suite, salt, ikm, extract_label, expand_label, info, length):
    """Extract, then expand."""
    prk = labeled_extract(suite, salt, extract_label, ikm)
    return labeled_expand(suite, prk, expand_label, info, length)


def tuple_bytes(saddr, sport, daddr, dport, proto):
    """The directed 5-tuple as the packet's sender sees it, 37 octets."""
    src, dst = ipaddress.IPv6Address(saddr).packed, ipaddress.IPv6Address(daddr).packed
    return src + struct.pack(">H", sport) + dst + struct.pack(">HB", dport, proto)


def shared_secret_psk(suite, psk):
    return labeled_extract(suite, b"", b"pdmv2 psk", psk)


def flow_secret(suite, shared_secret, five_tuple):
    return labeled_expand(suite, shared_secret, b"pdmv2 tuple", five_tuple, hash_len(suite))


def kri_key(suite, secret, kri):
    info = struct.pack(">Q", kri)
    return Key(
        kri,
        labeled_expand(suite, secret, b"key", info, NK),
        labeled_expand(suite, secret, b"base_nonce", info, NN),
    )


def derive(suite, psk, five_tuple, kri):
    """From pre-shared key to the key of one Kri of one directed flow."""
    return kri_key(suite, flow_secret(suite, shared_secret_psk(suite, psk), five_tuple), kri)


def packet_nonce(base_nonce, prseq):
    """RFC 9180 section 5.2, ComputeNonce, over PRSEQ."""
    return (int.from_bytes(base_nonce, "big") ^ prseq).to_bytes(NN, "big")


def scale(asec):
    """RFC 8250 appendix B: the 16 most significant bits and the count of bits dropped."""
    dropped = max(0, asec.bit_length() - 16)
    return asec >> dropped, dropped


def scale_ns(nanoseconds):
    return scale(nanoseconds * ASEC_PER_NS)


def unscale_ns(value, dropped):
    """Whole nanoseconds of a scaled value; what is below one is cut off."""
    return (value << dropped) // ASEC_PER_NS


def pack_metrics(fields):
    """The 14 octets that unencrypted PDMv2 shows and encrypted PDMv2 seals."""
    return struct.pack(">BBIHHHH", *fields)


def unpack_metrics(octets):
    return Fields(*struct.unpack(">BBIHHHH", octets))


def clear_part(length, random, f, version=VERSION, reserved=0, opt_type=OPTION_TYPE):
    """Type, length, version with reserved bits, random number with f: also the AAD."""
    return struct.pack(
        ">BBHH", opt_type, length, version << 12 | reserved, (random & 0x7FFF) << 1 | f
    )


def seal_option(suite, key, fields, prseq, f=None, **clear):
    """An encrypted option, 36 octets. f and the clear fields can be forged."""
    aad = clear_part(LEN_ENCRYPTED, prseq, key.kri & 1 if f is None else f, **clear)
    nonce = packet_nonce(key.base_nonce, prseq)
    return aad + AEADS[suite.aead_id](key.key).encrypt(nonce, pack_metrics(fields), aad)


def plain_option(fields, random=0, f=0, **clear):
    return clear_part(LEN_PLAIN, random, f, **clear) + pack_metrics(fields)


def rfc8250_option(fields, opt_type=OPTION_TYPE):
    return struct.pack(
        ">BBBBHHHH",
        opt_type,
        LEN_RFC8250,
        fields.scale_dtlr,
        fields.scale_dtls,
        fields.psntp,
        fields.psnlr,
        fields.delta_tlr,
        fields.delta_tls,
    )


def open_option(suite, key, option):
    """The fields of an encrypted option; OptionError when the tag does not fit."""
    parsed = parse_option(option)
    if parsed["format"] != "encrypted":
        raise OptionError("not encrypted")
    nonce = packet_nonce(key.base_nonce, parsed["prseq"])
    aead = AEADS[suite.aead_id](key.key)
    try:
        return unpack_metrics(aead.decrypt(nonce, option[AAD_LEN:], option[:AAD_LEN]))
    except InvalidTag:
        raise OptionError("tag does not fit") from None


def parse_option(option):
    """Format and clear fields of one option, type and length octets included."""
    if len(option) < 2 or len(option) != 2 + option[1]:
        raise OptionError("length does not fit")
    if option[1] not in FORMATS:
        raise OptionError("unknown length %d" % option[1])
    parsed = {"format": FORMATS[option[1]]}
    if parsed["format"] == "rfc8250":
        dtlr, dtls, psntp, psnlr, tlr, tls = struct.unpack(">BBHHHH", option[2:])
        parsed["fields"] = Fields(dtlr, dtls, 0, psntp, psnlr, tlr, tls)
        return parsed
    word, random = struct.unpack(">HH", option[2:6])
    if word >> 12 != VERSION:
        raise OptionError("version %d" % (word >> 12))
    parsed.update(prseq=random >> 1, f=random & 1)
    if parsed["format"] == "plain":
        parsed["fields"] = unpack_metrics(option[6:])
    return parsed


def dstopts_header(option, next_header):
    """The Destination Options header as a sender lays it out."""
    pad = b"\x01\x00"
    body = option + pad if option[1] == LEN_RFC8250 else pad + option
    if (len(body) + 2) % 8:
        raise ValueError("header is no multiple of 8 octets")
    return bytes([next_header, (len(body) + 2) // 8 - 1]) + body


def find_options(header, opt_type=OPTION_TYPE):
    """Every option of the type in a Destination Options header (RFC 8200 section 4.2)."""
    if len(header) < 8 or len(header) != (header[1] + 1) * 8:
        raise OptionError("header length does not fit")
    found, at = [], 2
    while at < len(header):
        if header[at] == 0:
            at += 1
            continue
        if at + 2 > len(header) or at + 2 + header[at + 1] > len(header):
            raise OptionError("option runs past its header")
        end = at + 2 + header[at + 1]
        if header[at] == opt_type:
            found.append(header[at:end])
        at = end
    return found
