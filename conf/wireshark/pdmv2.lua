-- SPDX-License-Identifier: BSD-2-Clause
-- PDMv2 (draft-ietf-ippm-encrypted-pdmv2) for Wireshark and tshark, which know PDM (RFC 8250) by
-- themselves and call PDMv2 a PDM of invalid length.
--
-- Encrypted options are shown decrypted if the preference pdmv2.decrypted names a file that
-- `pdmctl decode -x` made of the capture, or pdmv2.key the file of their pre-shared key. With the
-- first, no key is given to a program that reads whatever the network brings; and it has what was
-- sealed under other keys, and what takes a long search.
--
-- Install: copy it and the directory pdmv2 beside it to ~/.local/lib/wireshark/plugins/, or give it
-- to tshark with -X lua_script:.

local RFC8250, PLAIN, ENCRYPTED = 10, 18, 34 -- option lengths
local PAD1, VERSION = 0, 2
local CLEAR, PLAINTEXT, TAG = 6, 14, 16 -- octets: type to f; what is encrypted; its tag
local TUPLE = 37 -- octets: two addresses, each with a port, and the protocol
local KEY_DIGITS = 64
local ICMPV6, ECHO_REQUEST, ECHO_REPLY = 58, 128, 129
local HAS_PORTS = { [6] = true, [17] = true, [33] = true, [132] = true, [136] = true }
local HERE = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or ""

local pdmv2 = Proto("pdmv2", "Performance and Diagnostic Metrics, version 2")
pdmv2.prefs.option_type = Pref.uint("Option type", 0x0f, "The option's type; 15 is PDM's")
pdmv2.prefs.decrypted = Pref.string("File of decrypted options", "",
    "What `pdmctl decode -x FILE` wrote for this capture")
pdmv2.prefs.key = Pref.string("File of a pre-shared key", "",
    "What `pdmctl keygen FILE` made: opens what decrypted options are not in the file of those")

local field = {
    length = ProtoField.uint8("pdmv2.length", "Length"),
    version = ProtoField.uint16("pdmv2.version", "Version", base.DEC, nil, 0xf000),
    reserved = ProtoField.uint16("pdmv2.reserved", "Reserved", base.HEX, nil, 0x0fff),
    prseq = ProtoField.uint16("pdmv2.prseq", "Random Number (PRSEQ)", base.DEC, nil, 0xfffe),
    f = ProtoField.uint16("pdmv2.f", "f", base.DEC, nil, 0x0001),
    kri = ProtoField.uint64("pdmv2.kri", "Key Rotation Index"),
    ciphertext = ProtoField.bytes("pdmv2.ciphertext", "Ciphertext"),
    tag = ProtoField.bytes("pdmv2.tag", "Tag"),
    scale_dtlr = ProtoField.uint8("pdmv2.scale_dtlr", "Scale DTLR"),
    scale_dtls = ProtoField.uint8("pdmv2.scale_dtls", "Scale DTLS"),
    global_pointer = ProtoField.uint32("pdmv2.global_pointer", "Global Pointer"),
    psntp = ProtoField.uint16("pdmv2.psntp", "PSN This Packet"),
    psnlr = ProtoField.uint16("pdmv2.psnlr", "PSN Last Received"),
    delta_tlr = ProtoField.uint16("pdmv2.delta_tlr", "Delta Time Last Received"),
    delta_tls = ProtoField.uint16("pdmv2.delta_tls", "Delta Time Last Sent"),
    time_tlr = ProtoField.relative_time("pdmv2.time_tlr", "Time since last received"),
    time_tls = ProtoField.relative_time("pdmv2.time_tls", "Time from last sent to last received"),
}
local fields = {}
for _, f in pairs(field) do
    fields[#fields + 1] = f
end
pdmv2.fields = fields

local function fault_of(name, text, group, severity)
    return ProtoExpert.new("pdmv2." .. name, text, group, severity)
end
local fault = {
    malformed = fault_of("malformed", "Malformed option", expert.group.MALFORMED,
        expert.severity.ERROR),
    bad_version = fault_of("bad_version", "Another version than 2", expert.group.PROTOCOL,
        expert.severity.WARN),
    repeated = fault_of("repeated", "More than one option", expert.group.PROTOCOL,
        expert.severity.WARN),
    closed = fault_of("not_decrypted", "Not decrypted: see the preferences of pdmv2",
        expert.group.UNDECODED, expert.severity.NOTE),
}
local faults = {}
for _, f in pairs(fault) do
    faults[#faults + 1] = f
end
pdmv2.experts = faults

local headers = Field.new("ipv6.dstopts")
local sources, destinations = Field.new("ipv6.src"), Field.new("ipv6.dst")
-- Not pinfo's ports: those are of what some dissector above took for a connection.
local transports = {}
for _, name in ipairs({ "udp", "tcp", "sctp", "dccp" }) do
    transports[#transports + 1] = { Field.new(name .. ".srcport"), Field.new(name .. ".dstport") }
end
local echo_type, echo_identifier = Field.new("icmpv6.type"), Field.new("icmpv6.echo.identifier")

-- What was decrypted: flow and option, as hexadecimal digits, give the Kri's halves and the
-- plaintext, or false if no key opens it. Kept, for Wireshark may ask again, and in any order.
local opened, opener = nil, nil

local function octets_of(digits)
    return ByteArray.new(digits):raw()
end

local function load_opened(path)
    local file = path ~= "" and io.open(path, "r")
    if not file then
        return
    end
    for line in file:lines() do
        local flow, option, kri, plaintext = line:match("^(%x+) (%x+) (%x+) (%x+)$")
        if flow and #flow == 2 * TUPLE and #option == 2 * (2 + ENCRYPTED) and #kri == 16 and
            #plaintext == 2 * PLAINTEXT then
            opened[flow .. option] = {
                generation = tonumber(kri:sub(1, 8), 16), counter = tonumber(kri:sub(9), 16),
                plaintext = octets_of(plaintext),
            }
        end
    end
    file:close()
end

local function load_key(path)
    local file = path ~= "" and io.open(path, "r")
    local digits = file and file:read(KEY_DIGITS + 2) or ""
    if file then
        file:close()
    end
    digits = digits:match("^(%x+)\n?$") or ""
    if #digits == KEY_DIGITS then
        opener = dofile(HERE .. "pdmv2/opener.lua")(octets_of(digits))
    elseif path ~= "" then
        report_failure("pdmv2.key: " .. path .. ": no file of 64 hexadecimal digits")
    end
end

function pdmv2.prefs_changed()
    opened, opener = nil, nil
end

-- What is in OPTION, of the flow FLOW; both hexadecimal digits. False if it is not known.
local function open(flow, option)
    if opened == nil then
        opened = {}
        load_opened(pdmv2.prefs.decrypted)
        load_key(pdmv2.prefs.key)
    end
    if opened[flow .. option] == nil then
        opened[flow .. option] =
            opener and #flow == 2 * TUPLE and opener:open(octets_of(flow), octets_of(option)) or false
    end
    return opened[flow .. option]
end

-- Of an encapsulated packet it is the inner header's: the last that begins before OFFSET.
local function before(offset, ...)
    local found = nil
    for _, info in ipairs({ ... }) do
        if found == nil or info.offset < offset then
            found = info
        end
    end
    return found
end

-- Octets of an extension header, by its kind, from the octet of it that has its length.
local EXTENSIONS = {
    [0] = function(length) return (length + 1) * 8 end, -- Hop-by-Hop Options
    [43] = function(length) return (length + 1) * 8 end, -- Routing
    [44] = function() return 8 end, -- Fragment
    [51] = function(length) return (length + 2) * 4 end, -- Authentication: RFC 4302 section 2.2
    [60] = function(length) return (length + 1) * 8 end, -- Destination Options
}

-- The protocol that comes behind the extension headers, and where.
local function behind(tvb, header)
    local kind, at = header.range(0, 1):uint(), header.offset + header.len
    while EXTENSIONS[kind] and at + 2 <= tvb:len() do
        kind, at = tvb(at, 1):uint(), at + EXTENSIONS[kind](tvb(at + 1, 1):uint())
    end
    return kind, at
end

-- Ports as the flow has them: of an echo, the identifier is the requester's.
local function ports(tvb, protocol, at)
    local kind, identifier = echo_type(), echo_identifier()
    if protocol == ICMPV6 and identifier ~= nil and kind.value == ECHO_REQUEST then
        return identifier.value, 0
    elseif protocol == ICMPV6 and identifier ~= nil and kind.value == ECHO_REPLY then
        return 0, identifier.value
    elseif not HAS_PORTS[protocol] then
        return 0, 0
    end
    for _, port in ipairs(transports) do
        local source, destination = port[1](), port[2]()
        if source ~= nil and destination ~= nil then
            return source.value, destination.value
        end
    end
    -- Where something in the header is malformed, Wireshark goes no further.
    if at + 4 <= tvb:len() then
        return tvb(at, 2):uint(), tvb(at + 2, 2):uint()
    end
    return 0, 0
end

local function flow_of(tvb, header)
    local source, destination = before(header.offset, sources()), before(header.offset, destinations())
    if source == nil or destination == nil then
        return ""
    end
    local protocol, at = behind(tvb, header)
    local sport, dport = ports(tvb, protocol, at)
    return string.format("%s%04x%s%04x%02x", source.range:bytes():tohex(true), sport,
        destination.range:bytes():tohex(true), dport, protocol)
end

-- VALUE * 2^SCALE attoseconds, exact up to 55 days; nil for what a relative time cannot hold.
local function time_of(value, scale)
    local second = UInt64(1000000000) * UInt64(1000000000)
    local asec
    if scale <= 48 then
        asec = UInt64(value):lshift(scale)
        return NSTime((asec / second):tonumber(),
            ((asec % second) / UInt64(1000000000)):tonumber())
    elseif scale <= 66 then
        -- In units of 2^18 attoseconds, of which a second has 5^18.
        second = UInt64(1953125) * UInt64(1953125)
        asec = UInt64(value):lshift(scale - 18)
        return NSTime((asec / second):tonumber(),
            ((asec % second) * UInt64(512) / UInt64(1953125)):tonumber())
    end
    return nil
end

local function add_time(tree, what, range, scale)
    local time = time_of(range:uint(), scale)
    if time then
        tree:add(what, range, time):set_generated()
    end
end

-- The 14 octets from ScaleDTLR to DELTATLS.
local function add_metrics(tree, range)
    tree:add(field.scale_dtlr, range(0, 1))
    tree:add(field.scale_dtls, range(1, 1))
    tree:add(field.global_pointer, range(2, 4))
    tree:add(field.psntp, range(6, 2))
    tree:add(field.psnlr, range(8, 2))
    tree:add(field.delta_tlr, range(10, 2))
    add_time(tree, field.time_tlr, range(10, 2), range(0, 1):uint())
    tree:add(field.delta_tls, range(12, 2))
    add_time(tree, field.time_tls, range(12, 2), range(1, 1):uint())
    if range(6, 2):uint() == 0 then
        tree:add_proto_expert_info(fault.malformed, "A PSN of 0 is never sent")
    end
end

local function add_sealed(tree, option, flow)
    local found = open(flow, option:bytes():tohex(true))
    tree:add(field.ciphertext, option(CLEAR, PLAINTEXT))
    tree:add(field.tag, option(CLEAR + PLAINTEXT, TAG))
    if not found then
        tree:add_proto_expert_info(fault.closed)
        return
    end
    local plaintext = ByteArray.new(found.plaintext, true):tvb("Decrypted PDMv2")
    tree:add(field.kri, option(CLEAR - 1, 1), UInt64(found.counter, found.generation)):set_generated()
    add_metrics(tree, plaintext())
end

local function add_option(tree, option, flow)
    local length = option(1, 1):uint()
    local root = tree:add(pdmv2, option)

    root:add(field.length, option(1, 1))
    if length ~= PLAIN and length ~= ENCRYPTED then
        root:add_proto_expert_info(fault.malformed, "Length " .. length .. " is of no layout")
        return
    end
    root:add(field.version, option(2, 2))
    root:add(field.reserved, option(2, 2))
    root:add(field.prseq, option(4, 2))
    root:add(field.f, option(4, 2))
    if option(2, 1):bitfield(0, 4) ~= VERSION then
        root:add_proto_expert_info(fault.bad_version)
    elseif length == PLAIN then
        add_metrics(root, option(CLEAR, PLAINTEXT))
    else
        add_sealed(root, option, flow)
    end
end

-- The options of our type in a Destination Options header; nil if one of its options overruns it.
local function options_of(header)
    local found, at, size = {}, 2, header:len()
    while at < size do
        if header(at, 1):uint() == PAD1 then
            at = at + 1
        else
            local len = at + 2 <= size and 2 + header(at + 1, 1):uint() or 0
            if len == 0 or at + len > size then
                return nil
            end
            if header(at, 1):uint() == pdmv2.prefs.option_type then
                found[#found + 1] = header(at, len)
            end
            at = at + len
        end
    end
    return found
end

function pdmv2.dissector(tvb, _, tree)
    local found, flow = {}, nil
    for _, header in ipairs({ headers() }) do
        local options = options_of(header.range)
        if options == nil then
            tree:add(pdmv2, header.range):add_proto_expert_info(fault.malformed,
                "An option runs past its header")
        end
        for _, option in ipairs(options or {}) do
            found[#found + 1] = option
            flow = flow or flow_of(tvb, header)
        end
    end
    for _, option in ipairs(found) do
        -- PDM of RFC 8250 is shown by Wireshark itself.
        if option(1, 1):uint() ~= RFC8250 then
            add_option(tree, option, flow)
        end
    end
    if #found > 1 then
        tree:add(pdmv2, found[#found]):add_proto_expert_info(fault.repeated)
    end
end

register_postdissector(pdmv2)
