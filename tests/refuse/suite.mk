# Plugins that must be refused, or that misbehave later: broken.c, each time with another fault.
TEST_SUITES += refuse

broken_sound           :=
broken_no-note         := -DWITHOUT_NOTE
broken_note-magic      := -DNOTE_MAGIC=0x12345678
broken_note-abi        := -DNOTE_ABI=2
broken_note-abi-old    := -DNOTE_ABI=0
broken_no-entry        := -DENTRY=another_entry
broken_entry-magic     := -DENTRY_MAGIC=0x12345678
broken_entry-abi       := -DENTRY_ABI=7
broken_entry-small     := -DENTRY_SIZE=24
broken_null-name       := -DNAME=NULL
broken_odd-name        := '-DNAME="a b"'
broken_long-name       := '-DNAME="0123456789012345678901234567890123456789012345678901234567890123"'
broken_null-version    := -DVERSION_TEXT=NULL
broken_null-init       := -DINIT=NULL
broken_null-destroy    := -DDESTROY=NULL
broken_undefined       := -DUNDEFINED
broken_missing-library := -DMISSING_LIBRARY
broken_init-fails      := '-DIN_INIT(host)=-ENODEV'
broken_init-positive   := '-DIN_INIT(host)=1'
broken_init-number     := '-DIN_INIT(host)=ask_number(host)'
broken_metric-twice    := '-DIN_INIT(host)=register_metric(host)?0:register_metric(host)'
broken_start-fails     := '-DIN_START(host)=-ENODEV'
broken_metric-late     := '-DIN_START(host)=register_metric(host)'
broken_prepare-fails   := '-DIN_PREPARE(host)=-EBUSY'
broken_stop-fails      := '-DIN_STOP(host)=-EIO'
broken_lease-left      := '-DIN_START(host)=want_lease(host)'

REFUSE := $(B)/tests/refuse
REFUSE_SO := $(patsubst broken_%,$(REFUSE)/%.so,$(filter broken_%,$(.VARIABLES)))
TEST_PROGRAMS += $(REFUSE_SO) $(REFUSE)/future.so

$(REFUSE)/%.so: tests/refuse/broken.c tests/refuse/suite.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(broken_$*) -fPIC -fvisibility=hidden -shared $< -o $@ $(libs_$*)

# It is there when the plugin is linked and, without an rpath, gone when it is loaded.
libs_missing-library := -L$(REFUSE)/gone -lgone
$(REFUSE)/missing-library.so: $(REFUSE)/gone/libgone.so
$(REFUSE)/gone/libgone.so:
	@mkdir -p $(@D)
	echo 'void gone(void); void gone(void) {}' | $(CC) $(CFLAGS) -MF $@.d -fPIC -shared -x c - -o $@

# What a later release of the same ABI may look like: the structs have grown at their ends.
$(REFUSE)/later/netbird-signal/plugin.h: include/netbird-signal/plugin.h tests/refuse/suite.mk
	@mkdir -p $(@D)
	sed -e 's/^\tvoid (\*destroy)(void \*self);/&\n\tvoid (*later)(void *self), *more[8];/' \
	    -e 's/^\tvoid (\*call_print).*/&\n\tint (*later)(struct nbs_host *);/' $< >$@
$(REFUSE)/future.so: tests/refuse/future.c $(REFUSE)/later/netbird-signal/plugin.h
	$(CC) -I$(REFUSE)/later $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -shared $< -o $@
