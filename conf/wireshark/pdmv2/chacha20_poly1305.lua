-- SPDX-License-Identifier: BSD-2-Clause
-- Opening what ChaCha20-Poly1305 (RFC 8439) sealed: 1 to 16 octets of data with 1 to 16 of
-- additional data. Not in constant time, as aes_gcm.lua.

local band, bxor, lrotate = bit32.band, bit32.bxor, bit32.lrotate
local byte, char, floor = string.byte, string.char, math.floor

local WORD = 2 ^ 32
local STATE = "<" .. ("I4"):rep(16)
local CONSTANTS = "expand 32-byte k"
-- Of each quarter round, the four words: RFC 8439 section 2.3.
local QUARTERS = {
    { 1, 5, 9, 13 }, { 2, 6, 10, 14 }, { 3, 7, 11, 15 }, { 4, 8, 12, 16 },
    { 1, 6, 11, 16 }, { 2, 7, 12, 13 }, { 3, 8, 9, 14 }, { 4, 5, 10, 15 },
}

local function quarter_round(w, quarter)
    local i, j, k, l = table.unpack(quarter)
    local a, b, c, d = w[i], w[j], w[k], w[l]
    a = (a + b) % WORD
    d = lrotate(bxor(d, a), 16)
    c = (c + d) % WORD
    b = lrotate(bxor(b, c), 12)
    a = (a + b) % WORD
    d = lrotate(bxor(d, a), 8)
    c = (c + d) % WORD
    b = lrotate(bxor(b, c), 7)
    w[i], w[j], w[k], w[l] = a, b, c, d
end

local function keystream(key, counter, nonce)
    local before = { Struct.unpack(STATE, CONSTANTS .. key .. Struct.pack("<I4", counter) .. nonce) }
    local w = { table.unpack(before) }
    for _ = 1, 10 do
        for _, quarter in ipairs(QUARTERS) do
            quarter_round(w, quarter)
        end
    end
    for i = 1, 16 do
        w[i] = (w[i] + before[i]) % WORD
    end
    return Struct.pack(STATE, table.unpack(w, 1, 16))
end

-- Numbers below are of 17 octets, the lowest first.

local function add(one, other)
    local sum, carry = {}, 0
    for i = 1, 17 do
        carry = carry + one[i] + (other[i] or 0)
        sum[i] = carry % 256
        carry = floor(carry / 256)
    end
    return sum
end

-- Modulo 2^130 - 5, but for a few times that.
local function multiply(one, other)
    local product = {}
    for i = 1, 17 do
        product[i] = 0
        for j = 1, i do
            product[i] = product[i] + one[j] * other[i + 1 - j]
        end
        for j = i + 1, 17 do
            -- 2^136, which is 2^6 * 2^130, is as much as 2^6 * 5.
            product[i] = product[i] + 320 * one[j] * other[i + 18 - j]
        end
    end
    local carry = 0
    for i = 1, 16 do
        carry = carry + product[i]
        product[i] = carry % 256
        carry = floor(carry / 256)
    end
    carry = carry + product[17]
    product[17] = carry % 4
    return add(product, { 5 * floor(carry / 4) })
end

-- RFC 8439 section 2.5, of whole blocks.
local function poly1305(key, message)
    local r, sum = { byte(key, 1, 16) }, {}
    for i = 4, 16, 4 do
        r[i] = band(r[i], 15)
    end
    for i = 5, 13, 4 do
        r[i] = band(r[i], 252)
    end
    r[17] = 0
    for i = 1, 17 do
        sum[i] = 0
    end
    for at = 1, #message, 16 do
        local block = { byte(message, at, at + 15) }
        block[17] = 1
        sum = multiply(add(sum, block), r)
    end
    local less = add(sum, { 5 })
    if less[17] >= 4 then
        sum = less
    end
    return char(table.unpack(add(sum, { byte(key, 17, 32) }), 1, 16))
end

local function padded(octets)
    return octets .. ("\0"):rep(16 - #octets)
end

local chacha20_poly1305 = { id = 3 } -- RFC 9180 section 7.3

-- KEY has 32 octets.
function chacha20_poly1305.new(key)
    return key
end

-- The plaintext, or nil if TAG is wrong. NONCE has 12 octets.
function chacha20_poly1305.open(key, nonce, aad, ciphertext, tag)
    local lengths = Struct.pack("<I8I8", #aad, #ciphertext)
    local message = padded(aad) .. padded(ciphertext) .. lengths
    if poly1305(keystream(key, 0, nonce):sub(1, 32), message) ~= tag then
        return nil
    end
    local stream, at = keystream(key, 1, nonce), 0
    return (ciphertext:gsub(".", function(octet)
        at = at + 1
        return char(bxor(byte(octet), byte(stream, at)))
    end))
end

return chacha20_poly1305
