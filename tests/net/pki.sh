# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests: authorities and certificates with ECDSA P-256 keys. DIR is made if missing.
#
#   pki_ca DIR NAME                     an authority: NAME.pem, NAME.key
#   pki_sub DIR CA NAME                 an authority below CA; a chain is what cat makes of two
#   pki_leaf DIR CA NAME NAMES [DAYS] [EXTENSION]
#                                       NAME.pem, NAME.key; NAMES is a subjectAltName such as
#                                       "IP:2001:db8::1,DNS:pc.example", or ""; DAYS, or "expired",
#                                       or "future"; EXTENSION is one more, such as
#                                       "extendedKeyUsage=serverAuth"
#   pki_self DIR NAME NAMES             NAME.pem, NAME.key, which vouches for itself
#   pki_revoke DIR CA NAME              ... and in the next list
#   pki_crl DIR CA [DAYS]               CA.crl: what is revoked; DAYS, or "expired"

pki_key() { # FILE
    (umask 077 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null)
}

# The dates of what begins FROM days from now and ends TO days from now, as openssl ca wants them.
pki_dates() { # FROM TO
    date -u -d "$1 days" +%Y%m%d%H%M%SZ && date -u -d "$2 days" +%Y%m%d%H%M%SZ
}

# What an authority goes by and remembers.
pki_begin() { # DIR CA
    : >"$1/$2.index" && echo 1000 >"$1/$2.serial" && echo 01 >"$1/$2.crlnumber" &&
        cat >"$1/$2.conf" <<EOF
[ca]
default_ca = own
[own]
database = $1/$2.index
serial = $1/$2.serial
crlnumber = $1/$2.crlnumber
new_certs_dir = $1
certificate = $1/$2.pem
private_key = $1/$2.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = any
EOF
}

# Has CA issue a certificate for NAME, whose key is made, with the extensions on stdin.
pki_issue() { # DIR CA NAME FROM TO
    local dir=$1 ca=$2 name=$3 dates
    mapfile -t dates < <(pki_dates "$4" "$5")
    cat >"$dir/$name.extensions" && pki_key "$dir/$name.key" &&
        openssl req -new -config "$dir/$ca.conf" -key "$dir/$name.key" -subj "/CN=$name" \
            -out "$dir/$name.csr" &&
        openssl ca -batch -notext -config "$dir/$ca.conf" -extfile "$dir/$name.extensions" \
            -startdate "${dates[0]}" -enddate "${dates[1]}" \
            -in "$dir/$name.csr" -out "$dir/$name.pem" 2>"$dir/$name.log" && return
    cat "$dir/$name.log" >&2
    return 1
}

PKI_CA_EXTENSIONS=$'basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign'

pki_self_signed() { # DIR NAME EXTENSION...
    local dir=$1 name=$2 extension arguments=()
    shift 2
    for extension in "$@"; do arguments+=(-addext "$extension"); done
    mkdir -p "$dir" && pki_key "$dir/$name.key" && pki_begin "$dir" "$name" &&
        openssl req -x509 -new -config "$dir/$name.conf" -key "$dir/$name.key" -subj "/CN=$name" \
            -days 3650 -out "$dir/$name.pem" "${arguments[@]}"
}

pki_ca() {
    pki_self_signed "$1" "$2" basicConstraints=critical,CA:TRUE \
        keyUsage=critical,keyCertSign,cRLSign subjectKeyIdentifier=hash
}

pki_self() { pki_self_signed "$1" "$2" "subjectAltName=$3"; }

pki_sub() { pki_issue "$1" "$2" "$3" -1 365 <<<"$PKI_CA_EXTENSIONS" && pki_begin "$1" "$3"; }

pki_leaf() {
    local from=-1 to=365
    case ${5:-} in
    "") ;;
    expired) from=-10 to=-1 ;;
    future) from=1 to=10 ;;
    *) to=$5 ;;
    esac
    {
        echo "basicConstraints = CA:FALSE"
        [ -z "$4" ] || echo "subjectAltName = $4"
        [ -z "${6:-}" ] || echo "${6/=/ = }"
    } | pki_issue "$1" "$2" "$3" "$from" "$to"
}

pki_revoke() {
    openssl ca -config "$1/$2.conf" -revoke "$1/$3.pem" 2>/dev/null
}

pki_crl() {
    local to=30 dates
    case ${3:-} in
    "") ;;
    expired) to=-1 ;;
    *) to=$3 ;;
    esac
    mapfile -t dates < <(pki_dates -10 "$to")
    openssl ca -gencrl -config "$1/$2.conf" -crl_lastupdate "${dates[0]}" \
        -crl_nextupdate "${dates[1]}" -out "$1/$2.crl" 2>/dev/null
}
