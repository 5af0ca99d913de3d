-- SPDX-License-Identifier: BSD-2-Clause
-- SHA-256 (FIPS 180-4), HMAC (RFC 2104) with it, and of HKDF (RFC 5869) the labeled functions of
-- RFC 9180 section 4 for up to 32 octets, all in strings of octets.

local band, bxor, rrotate, rshift = bit32.band, bit32.bxor, bit32.rrotate, bit32.rshift
local byte, char, floor = string.byte, string.char, math.floor

local WORD = 2 ^ 32
local BLOCK = 64
local BLOCK_WORDS, HASH_WORDS = ">" .. ("I4"):rep(16), ">" .. ("I4"):rep(8)

-- The first bits of the fractional parts of the primes' roots: FIPS 180-4 sections 4.2.2, 5.3.3.
local function root_bits(count, exponent)
    local words, n = {}, 2
    while #words < count do
        local prime = true
        for divisor = 2, floor(n ^ 0.5) do
            prime = prime and n % divisor ~= 0
        end
        if prime then
            words[#words + 1] = floor(n ^ exponent % 1 * WORD)
        end
        n = n + 1
    end
    return words
end
local INITIAL, ROUND = root_bits(8, 1 / 2), root_bits(64, 1 / 3)

local function compress(state, message, at)
    local w = { Struct.unpack(BLOCK_WORDS, message, at) }
    for i = 17, 64 do
        local x, y = w[i - 15], w[i - 2]
        w[i] = (w[i - 16] + bxor(rrotate(x, 7), rrotate(x, 18), rshift(x, 3)) + w[i - 7] +
            bxor(rrotate(y, 17), rrotate(y, 19), rshift(y, 10))) % WORD
    end
    local a, b, c, d, e, f, g, h = table.unpack(state)
    for i = 1, 64 do
        local t = h + bxor(rrotate(e, 6), rrotate(e, 11), rrotate(e, 25)) +
            bxor(g, band(e, bxor(f, g))) + ROUND[i] + w[i]
        local u = bxor(rrotate(a, 2), rrotate(a, 13), rrotate(a, 22)) +
            bxor(band(a, b), band(c, bxor(a, b)))
        h, g, f, e, d, c, b, a = g, f, e, (d + t) % WORD, c, b, a, (t + u) % WORD
    end
    local sums = {}
    for i, added in ipairs({ a, b, c, d, e, f, g, h }) do
        sums[i] = (state[i] + added) % WORD
    end
    return sums
end

-- Of MESSAGE behind the one block that led to STATE.
local function digest_behind_block(state, message)
    local zeros = -(#message + 9) % BLOCK
    local padded = message .. "\128" .. ("\0"):rep(zeros) .. Struct.pack(">I8", (BLOCK + #message) * 8)
    for at = 1, #padded, BLOCK do
        state = compress(state, padded, at)
    end
    return Struct.pack(HASH_WORDS, table.unpack(state))
end

local function xored_block(key, pad)
    return ((key .. ("\0"):rep(BLOCK - #key)):gsub(".", function(octet)
        return char(bxor(byte(octet), pad))
    end))
end

local hkdf = {}

-- What hmac() needs of a key of at most 64 octets: so what is the same each time is done once.
function hkdf.hmac_key(key)
    return {
        inner = compress(INITIAL, xored_block(key, 0x36), 1),
        outer = compress(INITIAL, xored_block(key, 0x5c), 1),
    }
end

local function hmac(hmac_key, message)
    return digest_behind_block(hmac_key.outer, digest_behind_block(hmac_key.inner, message))
end

-- LabeledExtract without salt.
function hkdf.extract(suite_id, label, ikm)
    return hmac(hkdf.hmac_key(""), "HPKE-v1" .. suite_id .. label .. ikm)
end

-- LabeledExpand; PRK as hmac_key() made it, LENGTH at most 32.
function hkdf.expand(prk, suite_id, label, info, length)
    local labeled = char(0, length) .. "HPKE-v1" .. suite_id .. label .. info
    return hmac(prk, labeled .. "\1"):sub(1, length)
end

return hkdf
