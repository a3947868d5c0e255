# Units, with Criterion: each test_X.c is one program.  What it needs besides the daemon's library
# goes into test_X_OBJ and test_X_LIBS.
TEST_SUITES += unit
UNIT_TESTS := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
UNIT_PROGRAMS := $(UNIT_TESTS:%=$(B)/tests/unit/%)
TEST_PROGRAMS += $(UNIT_PROGRAMS)

# Messages as protobuf-c writes them, to compare with what the daemon reads.
UNIT_PROTO := $(B)/gen/signalexchange.pb-c.o

$(UNIT_PROGRAMS:%=%.o): CPPFLAGS += -DPLUGIN_DIR='"$(LIBDIR)/netbird-signal"' \
    -DDEFAULT_PLUGINS='"$(DEFAULT_PLUGINS)"' -DFLAG_PLUGINS='"$(FLAG_PLUGINS)"'
$(UNIT_PROGRAMS:%=%.o): CFLAGS += -fPIE
$(UNIT_PROGRAMS:%=%.o): | $(PROTO_SRC)

# Of plugins: parts that know nothing of the host, or all of one with a host of the test's.
test_ws_assemble_OBJ := $(B)/plugins/websocket/assemble.o
test_ws_receive_OBJ := $(websocket_OBJ)
test_ws_light_OBJ := $(websocket_OBJ)
test_ws_tunnel_OBJ := $(websocket_OBJ)
test_prom_negotiate_OBJ := $(B)/plugins/prometheus/negotiate.o
test_prom_render_OBJ := $(prometheus_OBJ)
test_prom_process_OBJ := $(prometheus_OBJ)
test_prom_scrape_OBJ := $(prometheus_OBJ)
test_prom_render_LIBS := -lz -lm
test_prom_process_LIBS := -lz
test_prom_scrape_LIBS := -lz -Wl,--wrap=malloc -Wl,--wrap=realloc
# Of plugins/letsencrypt what works without the CA and the worker.
LE_LOCAL := $(patsubst %,$(B)/plugins/letsencrypt/%.o,base64url cancel certificate challenges dns01 \
              failure folder hook http01 identifiers keys probe selfcheck selfcheck_tls selfsigned \
              store tlsalpn01)
test_le_keys_OBJ := $(LE_LOCAL)
test_le_keys_LIBS := -lcurl
test_le_store_OBJ := $(LE_LOCAL)
test_le_store_LIBS := -lcurl $(patsubst %,-Wl$(comma)--wrap=%,openat fchmod write fsync close \
                        renameat unlinkat)
test_le_hook_OBJ := $(LE_LOCAL)
test_le_hook_LIBS := -lcurl
test_le_challenges_OBJ := $(LE_LOCAL)
test_le_challenges_LIBS := -lcurl
test_le_selfcheck_OBJ := $(LE_LOCAL)
test_le_selfcheck_LIBS := -lcurl
test_acme_text_OBJ := $(letsencrypt_OBJ)
test_acme_jws_OBJ := $(letsencrypt_OBJ)
test_acme_client_OBJ := $(letsencrypt_OBJ)
test_acme_text_LIBS := -lcurl -ljansson -lssl -lcrypto
test_acme_jws_LIBS := $(test_acme_text_LIBS)
test_acme_client_LIBS := $(test_acme_text_LIBS)
test_le_settings_OBJ := $(letsencrypt_OBJ)
test_le_settings_LIBS := $(test_acme_text_LIBS)
test_le_renewal_OBJ := $(patsubst %,$(B)/plugins/letsencrypt/%.o,renewal when)
test_le_errand_OBJ := $(B)/plugins/letsencrypt/errand.o

define unit_rule
$(B)/tests/unit/$(1): $(B)/tests/unit/$(1).o $$($(1)_OBJ) $(UNIT_PROTO) $(DAEMON_LIB)
	$(if $(V),,@echo '  LD   $$@')
	$(Q)$(CC) $(EXE) $(LDFLAGS) $$^ -o $$@ $(DAEMON_LIBS) -lcriterion -lprotobuf-c $$($(1)_LIBS)
endef
$(foreach t,$(UNIT_TESTS),$(eval $(call unit_rule,$(t))))
