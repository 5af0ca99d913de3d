-- SPDX-License-Identifier: BSD-2-Clause
-- Opening encrypted options with a pre-shared key. The Kri is not on the wire: it is searched for,
-- as pdmctl decode does, but not as far, for this is some hundred times slower.

local HERE = debug.getinfo(1, "S").source:match("^@(.*[/\\])")
local hkdf = dofile(HERE .. "hkdf.lua")
local AEADS = { dofile(HERE .. "aes_gcm.lua"), dofile(HERE .. "chacha20_poly1305.lua") }

local CLEAR, PLAINTEXT = 6, 14 -- octets: type to f; what is encrypted, before its tag
local KEY, NONCE, NH = 32, 12, 32
local SOURCE = 16 -- octets of a flow's tuple: its source address
-- How far is searched, in a Kri's upper and lower half: in its generation, and in its counter.
local NEXT_COUNTERS, NEXT_GENERATIONS = 8, 4
local ALL_COUNTERS = 64 -- of a generation that is known
local FIRST_GENERATIONS, FIRST_COUNTERS = 64, 16 -- of a sender of which nothing is known
-- So many keys may be tried in vain, and so many more for each option that opens: some 20 seconds.
local TRIES, TRIES_REGAINED = 20000, 32
local WORD = 2 ^ 32

local Opener = {}
Opener.__index = Opener

-- PSK: 32 octets. Its AEAD is either.
local function opener_of(psk)
    local self = { secrets = {}, flows = {}, senders = {}, tries = TRIES }
    for i, aead in ipairs(AEADS) do
        local suite = "HPKE\0\0\0\1\0" .. string.char(aead.id) -- no KEM, HKDF-SHA256
        local shared = hkdf.hmac_key(hkdf.extract(suite, "pdmv2 psk", psk))
        self.secrets[i] = { number = i, aead = aead, suite = suite, shared = shared }
    end
    return setmetatable(self, Opener)
end

local function key_of(flow, secret, generation, counter)
    local prk, kri = flow.secrets[secret.number], Struct.pack(">I4I4", generation, counter)
    if prk == nil then
        prk = hkdf.hmac_key(hkdf.expand(secret.shared, secret.suite, "pdmv2 tuple", flow.tuple, NH))
        flow.secrets[secret.number] = prk
    end
    return {
        secret = secret, generation = generation, counter = counter,
        cipher = secret.aead.new(hkdf.expand(prk, secret.suite, "key", kri, KEY)),
        base_nonce = hkdf.expand(prk, secret.suite, "base_nonce", kri, NONCE),
    }
end

-- The plaintext, or nil.
local function opened_with(key, option)
    local high, low = option:byte(CLEAR - 1, CLEAR)
    local prseq = (high * 256 + low - low % 2) / 2
    local last, before = key.base_nonce:byte(NONCE), key.base_nonce:byte(NONCE - 1)
    local nonce = key.base_nonce:sub(1, NONCE - 2) ..
        string.char(bit32.bxor(before, math.floor(prseq / 256)), bit32.bxor(last, prseq % 256))
    return key.secret.aead.open(key.cipher, nonce, option:sub(1, CLEAR),
        option:sub(CLEAR + 1, CLEAR + PLAINTEXT), option:sub(CLEAR + PLAINTEXT + 1))
end

-- Generations and counters FROM and up to before END; f, the option's, is the counter's lowest bit.
function Opener:try(flow, secret, option, from, to, first, last)
    local f = option:byte(CLEAR) % 2
    for generation = from, math.min(to, WORD) - 1 do
        for counter = first + (first + f) % 2, math.min(last, WORD) - 1, 2 do
            if self.tries == 0 then
                return nil
            end
            self.tries = self.tries - 1
            local key = key_of(flow, secret, generation, counter)
            local plaintext = opened_with(key, option)
            if plaintext then
                return key, plaintext
            end
        end
    end
    return nil
end

-- Behind what the flow had.
function Opener:search_ahead(flow, secret, option)
    local latest = flow.latest
    if latest == nil or latest.secret ~= secret then
        return nil
    end
    return self:try(flow, secret, option, latest.generation, latest.generation + 1,
        latest.counter + 1, latest.counter + 1 + NEXT_COUNTERS)
end

-- Where other flows of its sender are.
function Opener:search_beside(flow, secret, option)
    local g = flow.sender.generation or 0
    local key, plaintext = self:try(flow, secret, option, g, g + 1, 0, NEXT_COUNTERS)
    if key then
        return key, plaintext
    end
    return self:try(flow, secret, option, g + 1, g + 1 + NEXT_GENERATIONS, 0, 2)
end

function Opener:search_all(flow, secret, option)
    local sender = flow.sender
    if sender.secret == nil then
        return self:try(flow, secret, option, 0, FIRST_GENERATIONS, 0, FIRST_COUNTERS)
    elseif sender.secret == secret then
        local g = sender.generation
        return self:try(flow, secret, option, g, g + 1, 0, ALL_COUNTERS)
    end
    return nil
end

-- The more options in a row did not open, the fewer are searched for.
local function is_worth_a_search(failures)
    return bit32.band(failures, failures - 1) == 0
end

function Opener:search(flow, option)
    flow.failures = flow.failures + 1
    flow.sender.failures = flow.sender.failures + 1
    for _, search in ipairs({ self.search_ahead, self.search_beside, self.search_all }) do
        local failures = search == self.search_all and flow.sender.failures or flow.failures
        for _, secret in ipairs(is_worth_a_search(failures) and self.secrets or {}) do
            local key, plaintext = search(self, flow, secret, option)
            if key then
                return key, plaintext
            end
        end
    end
    return nil
end

function Opener:flow_of(tuple)
    local source = tuple:sub(1, SOURCE)
    self.senders[source] = self.senders[source] or { failures = 0 }
    self.flows[tuple] = self.flows[tuple] or
        { tuple = tuple, sender = self.senders[source], secrets = {}, keys = {}, failures = 0 }
    return self.flows[tuple]
end

-- The key of one Kri of each parity is kept: of the one that opened an option last.
function Opener:opened(flow, key, plaintext)
    flow.keys[key.counter % 2], flow.latest = key, key
    flow.sender.generation, flow.sender.secret = key.generation, key.secret
    flow.failures, flow.sender.failures = 0, 0
    self.tries = math.min(self.tries + TRIES_REGAINED, TRIES)
    return { generation = key.generation, counter = key.counter, plaintext = plaintext }
end

-- OPTION, 36 octets, in a packet of the flow TUPLE, 37 octets as its sender sees it: the Kri, in
-- its halves generation and counter, and the plaintext; or nil.
function Opener:open(tuple, option)
    local flow = self:flow_of(tuple)
    local key = flow.keys[option:byte(CLEAR) % 2]
    local plaintext = key and opened_with(key, option)
    if not plaintext then
        key, plaintext = self:search(flow, option)
    end
    return plaintext and self:opened(flow, key, plaintext) or nil
end

return opener_of
