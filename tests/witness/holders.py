# SPDX-License-Identifier: BSD-2-Clause
"""Who can open what: the witness with all that was ever said, and each host with what it holds.

A holder gives, for two addresses, the SharedSecrets that it could come to.
"""
import boneh_franklin as bf
import pairings
import pdm_option as pdm
import pdm_witness
import registration as reg
from pdm_witness import Secret


class Holder:
    def __init__(self):
        self.known = {}

    def between(self, one, other):
        ends = frozenset((one, other))
        if ends not in self.known:
            self.known[ends] = list(self.secrets(*sorted(ends)))
        return self.known[ends]


class Primary(Holder):
    """Has the PairMasterSecrets, and with them everything that the design derives from them and
    from the pairings that were captured."""

    def __init__(self, negotiations, packets):
        super().__init__()
        self.negotiations = negotiations
        self.suites = {n.epoch: n.suite for n in negotiations}
        self.pairings = pairings.pairings(packets, self.suites)
        self.halves, self.keys = {}, {}
        masters = {n.tag: pairings.Master(n.suite, n.pms) for n in self.of_mode(reg.IBC)}
        for pairing in self.pairings:
            suite, master = self.suites[pairing.epoch], masters[pairing.tag]
            self.halves[pairing] = master.halves(pairing)
            self.keys[pairing] = pairings.device_key(suite, pairing, *self.halves[pairing])

    def of_mode(self, mode):
        return [n for n in self.negotiations if n.terms.secmop == mode]

    def groups(self):
        return {entry.group for n in self.negotiations for entry in n.servers}

    def secrets(self, one, other):
        found = []
        for negotiation in self.negotiations:
            shared = negotiation.shared_secret(one, other)
            if shared is not None:
                found.append(Secret(negotiation.suite, shared, negotiation.epoch))
        for pairing, key in self.keys.items():
            if {pairing.initiator, pairing.responder} == {one, other}:
                found.append(Secret(self.suites[pairing.epoch], key, pairing.epoch))
        return found


class Secondary(Holder):
    """Has what its primary gave it: all that it ever received, as it came."""

    def __init__(self, primary, given):
        super().__init__()
        self.primary = primary
        self.grants = [held for held in given if isinstance(held, reg.Grant)]
        self.identities = [held for held in given if isinstance(held, reg.Identity)]

    def secrets(self, one, other):
        names = (one, other, *self.primary.groups())
        found = [
            Secret(grant.suite, shared, grant.epoch)
            for grant in set(self.grants)
            for shared in reg.within_reach(grant, *names)
        ]
        for pairing in self.primary.pairings:
            if {pairing.initiator, pairing.responder} == {one, other}:
                found += self.paired(pairing)
        return found

    def paired(self, pairing):
        """PairDeviceKeys that its identities come to."""
        for identity in set(self.identities):
            try:
                halves = self.halves(pairing, identity)
                yield Secret(
                    identity.suite,
                    pairings.device_key(identity.suite, pairing, *halves),
                    pairing.epoch,
                )
            except bf.Refused:
                continue

    def halves(self, pairing, identity):
        """A host of the pairing chose one half itself and opens the other; any other host has both
        to open."""
        private = bf.point_from(pairings.PARAMETERS, identity.s_id)
        k_i, k_r = self.primary.halves[pairing]
        if identity.address != pairing.initiator:
            k_i = pairings.open_half(private, pairing.init)
        if identity.address != pairing.responder:
            k_r = pairings.open_half(private, pairing.resp)
        return k_i, k_r


class HolderWitness(pdm_witness.Witness):
    """Decodes a capture with what a holder has."""

    def __init__(self, holder, **kwargs):
        super().__init__(**kwargs)
        self.holder = holder

    def secrets(self, packet):
        return self.holder.between(packet.src, packet.dst)


class Opener:
    """Tries one option with all that a holder has, its Kri being told."""

    def __init__(self, holder):
        self.holder, self.keys = holder, {}

    def keys_of(self, row):
        five_tuple = pdm.tuple_bytes(*(row[n] for n in ("src", "sport", "dst", "dport", "proto")))
        flow = five_tuple, row["kri"]
        if flow not in self.keys:
            self.keys[flow] = [
                (suite, pdm.kri_key(suite, pdm.flow_secret(suite, shared, five_tuple), row["kri"]))
                for suite, shared, _ in self.holder.between(row["src"], row["dst"])
            ]
        return self.keys[flow]

    def opens(self, row):
        for suite, key in self.keys_of(row):
            try:
                pdm.open_option(suite, key, bytes.fromhex(row["option"]))
                return True
            except pdm.OptionError:
                continue
        return False
