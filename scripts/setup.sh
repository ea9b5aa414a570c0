# Sourced by ./run and ./test: makes sure that what they need is there. Prints to stderr only.
# Sets MISSING_FOR_TESTS to the packages that some tests need and that could not be installed.

say() { printf '%s\n' "$*" >&2; }

# command-or-file:package
BUILD_NEEDS="verilator:verilator g++:g++ make:make /usr/include/zlib.h:zlib1g-dev"
TEST_NEEDS="yosys:yosys python3:python3 /usr/share/doc/python3-venv:python3-venv tshark:tshark rpcgen:rpcsvc-proto /usr/include/tirpc/rpc/rpc.h:libtirpc-dev pkg-config:pkg-config rpcinfo:rpcbind ip:iproute2 ping:iputils-ping"

missing() { # needs...
    local need what
    for need in "$@"; do
        what=${need%%:*}
        case "$what" in
            /*) [ -e "$what" ] || echo "${need#*:}" ;;
            *) PATH="$PATH:/usr/sbin:/sbin" command -v "$what" >/dev/null 2>&1 || echo "${need#*:}" ;;
        esac
    done
}

provide() { # packages...
    [ $# -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        say "missing packages: $*"
        say "install them with: sudo apt-get install $*"
        return 1
    fi
    say "installing: $*"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } >&2
}

setup() { # build | test
    command -v cargo >/dev/null 2>&1 || {
        say "cargo is missing: install Rust 1.85 or later (rustup, or Debian's newer cargo)"
        exit 1
    }
    # Unquoted on purpose: the lists are words.
    provide $(missing $BUILD_NEEDS) || exit 1
    MISSING_FOR_TESTS=
    if [ "$1" = test ]; then
        provide $(missing $TEST_NEEDS) || MISSING_FOR_TESTS=$(missing $TEST_NEEDS | tr '\n' ' ')
    fi
    export PATH="$PATH:/usr/sbin:/sbin"
}

# Builds the command and sets LAUBERHORN to it.
build_command() {
    local quiet=--quiet
    LAUBERHORN=${CARGO_TARGET_DIR:-target}/debug/lauberhorn
    [ -x "$LAUBERHORN" ] || {
        quiet=
        say "building the simulated cards and the command: about seven minutes on two cores, once"
    }
    # There are no examples: asking for them asks for the features that tests have, so that nothing is built twice.
    cargo build $quiet --workspace --bin lauberhorn --examples
    export LAUBERHORN
}
