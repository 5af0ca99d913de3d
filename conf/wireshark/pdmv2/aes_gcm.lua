-- SPDX-License-Identifier: BSD-2-Clause
-- Opening what AES-256-GCM (FIPS 197, NIST SP 800-38D) sealed: 1 to 16 octets of data with 1 to
-- 16 of additional data. Fast enough for a capture, and not in constant time: who has the key
-- here does not answer whoever sent.

local band, bor, bxor = bit32.band, bit32.bor, bit32.bxor
local lrotate, lshift, rshift = bit32.lrotate, bit32.lshift, bit32.rshift

local WORD = 2 ^ 32
local ROUNDS, KEY_WORDS = 14, 8
local REDUCTION = 0xe1000000 -- SP 800-38D section 6.3: R

-- In the field of AES, of which 3 is a generator.
local function doubled(x)
    return x < 128 and 2 * x or bxor(2 * x, 0x11b)
end

-- The S-box, and for each row of a column what SubBytes and MixColumns make of an octet in it.
local sbox, mixed = {}, { {}, {}, {}, {} }
do
    local power, log, x = {}, {}, 1
    for i = 0, 254 do
        power[i], log[x] = x, i
        x = bxor(x, doubled(x))
    end
    for i = 0, 255 do
        local b = i > 0 and power[(255 - log[i]) % 255] or 0
        b = b * 0x01010101 -- a word of four is rotated as each is
        local s = band(bxor(b, lrotate(b, 1), lrotate(b, 2), lrotate(b, 3), lrotate(b, 4), 0x63), 255)
        local double = doubled(s)
        local column = ((double * 256 + s) * 256 + s) * 256 + bxor(double, s)
        sbox[i] = s
        for row = 1, 4 do
            mixed[row][i] = lrotate(column, -8 * (row - 1))
        end
    end
end

local function words(octets)
    local w = { Struct.unpack(">" .. ("I4"):rep(#octets / 4), octets) }
    w[#w] = nil -- where it ended
    return w
end

local function octets_of(block)
    return Struct.pack(">I4I4I4I4", table.unpack(block))
end

-- The S-box's, of the octets at four places.
local function substituted(a, b, c, d)
    return ((sbox[rshift(a, 24)] * 256 + sbox[band(rshift(b, 16), 255)]) * 256 +
        sbox[band(rshift(c, 8), 255)]) * 256 + sbox[band(d, 255)]
end

-- FIPS 197 section 5.2
local function schedule(key)
    local w, constant = words(key), 1
    for i = KEY_WORDS + 1, 4 * (ROUNDS + 1) do
        local last = w[i - 1]
        if (i - 1) % KEY_WORDS == 0 then
            last = lrotate(last, 8)
            last = bxor(substituted(last, last, last, last), lshift(constant, 24))
            constant = doubled(constant)
        elseif (i - 1) % KEY_WORDS == 4 then
            last = substituted(last, last, last, last)
        end
        w[i] = bxor(w[i - KEY_WORDS], last)
    end
    return w
end

local function encrypt(w, block)
    local m1, m2, m3, m4 = mixed[1], mixed[2], mixed[3], mixed[4]
    local function column(a, b, c, d, key)
        return bxor(m1[rshift(a, 24)], m2[band(rshift(b, 16), 255)], m3[band(rshift(c, 8), 255)],
            m4[band(d, 255)], key)
    end
    local a, b, c, d = bxor(block[1], w[1]), bxor(block[2], w[2]), bxor(block[3], w[3]),
        bxor(block[4], w[4])
    for i = 5, 4 * ROUNDS, 4 do
        a, b, c, d = column(a, b, c, d, w[i]), column(b, c, d, a, w[i + 1]),
            column(c, d, a, b, w[i + 2]), column(d, a, b, c, w[i + 3])
    end
    local k = 4 * ROUNDS
    return { bxor(substituted(a, b, c, d), w[k + 1]), bxor(substituted(b, c, d, a), w[k + 2]),
        bxor(substituted(c, d, a, b), w[k + 3]), bxor(substituted(d, a, b, c), w[k + 4]) }
end

-- H and what it is times each power of x: the product with a block is the sum of some of them.
local function multiples(h)
    local a, b, c, d = h[1], h[2], h[3], h[4]
    local of = {}
    for i = 1, 128 do
        of[i] = { a, b, c, d }
        local reduction = band(d, 1) * REDUCTION
        d = bor(rshift(d, 1), lshift(c, 31))
        c = bor(rshift(c, 1), lshift(b, 31))
        b = bor(rshift(b, 1), lshift(a, 31))
        a = bxor(rshift(a, 1), reduction)
    end
    return of
end

local function multiplied(of, block)
    local a, b, c, d = 0, 0, 0, 0
    for word = 1, 4 do
        local bits = block[word]
        for i = 32 * word - 31, 32 * word do
            bits = bits * 2
            if bits >= WORD then
                local h = of[i]
                bits = bits - WORD
                a, b, c, d = bxor(a, h[1]), bxor(b, h[2]), bxor(c, h[3]), bxor(d, h[4])
            end
        end
    end
    return { a, b, c, d }
end

local function xored(one, other)
    local w = {}
    for i = 1, 4 do
        w[i] = bxor(one[i], other[i])
    end
    return w
end

local function padded(octets)
    return words(octets .. ("\0"):rep(16 - #octets))
end

local aes_gcm = { id = 2 } -- RFC 9180 section 7.3

-- KEY has 32 octets.
function aes_gcm.new(key)
    local w = schedule(key)
    return { schedule = w, multiples = multiples(encrypt(w, { 0, 0, 0, 0 })) }
end

-- The plaintext, or nil if TAG is wrong. NONCE has 12 octets.
function aes_gcm.open(cipher, nonce, aad, ciphertext, tag)
    local function keystream(counter)
        local block = words(nonce)
        block[4] = counter
        return encrypt(cipher.schedule, block)
    end
    local hash = multiplied(cipher.multiples, padded(aad))
    hash = multiplied(cipher.multiples, xored(hash, padded(ciphertext)))
    hash = multiplied(cipher.multiples, xored(hash, { 0, 8 * #aad, 0, 8 * #ciphertext }))
    if octets_of(xored(hash, keystream(1))) ~= tag then
        return nil
    end
    return octets_of(xored(padded(ciphertext), keystream(2))):sub(1, #ciphertext)
end

return aes_gcm
