# netbird-signal: one Makefile, a fragment per plugin (plugins/*/plugin.mk), all output under
# build/.  `make help` lists the targets.  `make SAN=address|undefined|thread` is a second tree.

VERSION := 0.1.0
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
SAN     ?=

empty :=
space := $(empty) $(empty)
comma := ,
B       := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
GEN     := build/gen
CC      ?= cc
Q       := $(if $(V),,@)# `make V=1` shows every command
PKG     := pkg-config
# For a make inside one that was not told how many jobs to run.
JOBS    = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc) --output-sync)

WARN    := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
           -Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef
HARDEN  := -fstack-protector-strong -fstack-clash-protection -fcf-protection
FORTIFY := $(if $(SAN),,-D_FORTIFY_SOURCE=2)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
OPT     ?= $(if $(SAN),-O1,-O2)
CPPFLAGS += -D_GNU_SOURCE $(FORTIFY) -Iinclude -iquote daemon -I$(GEN) -DVERSION='"$(VERSION)"'
CFLAGS  += -std=c11 -g $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) -pthread -MMD -MP
LDFLAGS += $(SANFLAGS) -pthread -Wl,-z,relro,-z,now
EXE     := -pie

# What must be there before anything is built; `make deps` installs what is missing.
DEB_BUILD := gcc make pkg-config libgrpc-dev libprotobuf-c-dev protobuf-c-compiler libiniparser-dev \
             libwebsockets-dev libuv1-dev libwebsockets-evlib-uv libssl-dev libcurl4-openssl-dev \
             libjansson-dev zlib1g-dev
DEB_RUN   := libgrpc29 libprotobuf-c1 libiniparser1 libwebsockets17 libwebsockets-evlib-uv libuv1 \
             libssl3 libcurl4 libjansson4 zlib1g ca-certificates
DEB_TEST  := $(DEB_BUILD) g++ libcriterion-dev libnghttp2-dev procps iproute2 util-linux openssl \
             nginx libnginx-mod-stream haproxy caddy chromium pebble prometheus curl

.PHONY: all run test deps deps-run deps-test bench clean install help format tidy
all: $(B)/netbird-signal

help:
	@echo 'make run      install what is missing, build, run in the foreground on port 10000'
	@echo 'make test     the same for the tests, and run them'
	@echo 'make bench    measure this server beside bare gRPC C core'
	@echo 'make fuzz     search with libFuzzer, FUZZ_SECONDS (60) for each target'
	@echo 'make          build      make install   PREFIX, DESTDIR'
	@echo 'make deps     the Debian packages of the build (deps-run: of the installed program,'
	@echo '              deps-test: of the tests)'
	@echo 'make format   clang-format      make tidy   clang-tidy      make clean'

# --- the protocol ---------------------------------------------------------------------------
PROTO_SRC := $(GEN)/signalexchange.pb-c.c $(GEN)/health.pb-c.c
$(GEN)/%.pb-c.c $(GEN)/%.pb-c.h: proto/%.proto
	@mkdir -p $(GEN)
	protoc-c --proto_path=proto --c_out=$(GEN) $<
$(B)/gen/%.o: $(GEN)/%.c
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  CC   $<')
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -W%,$(CFLAGS)) -fPIC -fvisibility=hidden -c $< -o $@
.SECONDARY:

# --- plugins --------------------------------------------------------------------------------
# A fragment adds its name to PLUGINS and sets NAME_SRC, NAME_PKGS, NAME_DEFAULT = yes if the
# built-in configuration loads it, and NAME_FLAGS, the options of the command line that load it.
PLUGINS :=
include $(sort $(wildcard plugins/*/plugin.mk))
PLUGIN_SO := $(PLUGINS:%=$(B)/plugins/%.so)
DEFAULT_PLUGINS := $(strip $(foreach p,$(PLUGINS),$(if $(filter yes,$($(p)_DEFAULT)),$(p))))
FLAG_PLUGINS := $(strip $(foreach p,$(PLUGINS),$(foreach f,$($(p)_FLAGS),$(f):$(p))))
all: $(PLUGIN_SO)

# pkg-config takes a second for gRPC's hundred libraries: once, and only when a plugin is built.
once = $(eval $(1) := $(shell $(2)))$($(1))
define plugin_rules
$(1)_CFLAGS = $$(if $$($(1)_PKGS),$$(call once,$(1)_CFLAGS,$(PKG) --cflags $$($(1)_PKGS)))
$(1)_LIBS = $$(if $$($(1)_PKGS),$$(call once,$(1)_LIBS,$(PKG) --libs $$($(1)_PKGS)))
$(1)_OBJ := $$(patsubst plugins/%.c,$(B)/plugins/%.o,$$(filter plugins/%,$$($(1)_SRC))) \
            $$(patsubst $(GEN)/%.c,$(B)/gen/%.o,$$(filter $(GEN)/%,$$($(1)_SRC)))
$$(filter $(B)/plugins/%,$$($(1)_OBJ)): CPPFLAGS = -D_GNU_SOURCE $(FORTIFY) -Iinclude -I$(GEN) \
    -DVERSION='"$(VERSION)"' $$($(1)_CFLAGS)
$$(filter $(B)/plugins/%,$$($(1)_OBJ)): CFLAGS += -fPIC -fvisibility=hidden
$$(filter $(B)/plugins/%,$$($(1)_OBJ)): | $(PROTO_SRC)
$(B)/plugins/$(1).so: $$($(1)_OBJ)
	$(if $(V),,@echo '  LD   $$@')
	$(Q)$(CC) -shared $(if $(SAN),,-Wl$(comma)-z$(comma)defs) -Wl$(comma)--as-needed $(LDFLAGS) $$^ -o $$@ \
	    $$($(1)_LIBS) -pthread
endef
$(foreach p,$(PLUGINS),$(eval $(call plugin_rules,$(p))))

# --- the daemon -----------------------------------------------------------------------------
DAEMON_SRC := $(wildcard daemon/*.c)
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(B)/%.o)
DAEMON_LIB := $(B)/libdaemon.a
DAEMON_LIBS := -liniparser -lwebsockets -luv -lssl -lcrypto -ldl
$(DAEMON_OBJ): CPPFLAGS += -DPLUGIN_DIR='"$(LIBDIR)/netbird-signal"' \
    -DDEFAULT_PLUGINS='"$(DEFAULT_PLUGINS)"' -DFLAG_PLUGINS='"$(FLAG_PLUGINS)"'
$(DAEMON_OBJ): CFLAGS += -fPIE
# What is compiled in is compiled anew when it changes: `make install PREFIX=/usr` after `make`.
DEFAULTS := $(VERSION) $(LIBDIR) $(DEFAULT_PLUGINS) $(FLAG_PLUGINS)
$(DAEMON_OBJ): $(B)/defaults
$(B)/defaults: FORCE
	@mkdir -p $(@D)
	@echo '$(DEFAULTS)' | cmp -s - $@ || echo '$(DEFAULTS)' > $@
FORCE:
.PHONY: FORCE

$(B)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(if $(V),,@echo '  CC   $<')
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

$(DAEMON_LIB): $(filter-out %/main.o,$(DAEMON_OBJ))
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/netbird-signal: $(B)/daemon/main.o $(DAEMON_LIB)
	$(if $(V),,@echo '  LD   $@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $^ -o $@ $(DAEMON_LIBS)

# --- set-up ---------------------------------------------------------------------------------
# apt-get runs only when dpkg misses something, so that a second call needs no network.
define install_missing
@have=" $$(dpkg-query -W -f='$${Package}:$${db:Status-Status} ' $(1) 2>/dev/null)"; \
missing=$$(for p in $(1); do case "$$have" in *" $$p:installed "*) ;; *) echo $$p ;; esac; done); \
if [ -n "$$missing" ]; then \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	echo "installing:" $$missing; \
	$$sudo apt-get update -q && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
fi
endef
deps:
	$(call install_missing,$(DEB_BUILD))
deps-run:
	$(call install_missing,$(DEB_RUN))
# Node.js may come from another source than Debian; what counts is that it runs.
deps-test:
	$(call install_missing,$(DEB_TEST))
	$(call install_missing,$(shell command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm))

run: deps
	$(MAKE) $(JOBS) all
	$(B)/netbird-signal run --config etc/run.ini --log-file console

-include tests/tests.mk

install: all
	install -D -m 755 $(B)/netbird-signal $(DESTDIR)$(PREFIX)/bin/netbird-signal
	install -d $(DESTDIR)$(LIBDIR)/netbird-signal $(DESTDIR)/var/log/netbird
	install -m 755 $(PLUGIN_SO) $(DESTDIR)$(LIBDIR)/netbird-signal/
	install -D -m 644 docs/netbird-signal.8 $(DESTDIR)$(PREFIX)/share/man/man8/netbird-signal.8
	install -D -m 644 include/netbird-signal/plugin.h $(DESTDIR)$(PREFIX)/include/netbird-signal/plugin.h
	test -e $(DESTDIR)/etc/netbird/signal.ini || { \
		install -d $(DESTDIR)/etc/netbird && \
		sed 's|^#plugin-dir = .*|#plugin-dir = $(LIBDIR)/netbird-signal|' etc/signal.ini \
			> $(DESTDIR)/etc/netbird/signal.ini; }

format:
	clang-format -i $$(git ls-files '*.c' '*.h')
tidy:
	clang-tidy --quiet $(DAEMON_SRC) -- $(CPPFLAGS) -std=c11 -DPLUGIN_DIR='""' -DDEFAULT_PLUGINS='""' \
	    -DFLAG_PLUGINS='""'

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
