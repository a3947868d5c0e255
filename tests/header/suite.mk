# The public header on its own, and a plugin in C++.
TEST_SUITES += header
TEST_PROGRAMS += $(B)/tests/header/cxx.so
$(B)/tests/header/cxx.so: tests/header/cxx.cc include/netbird-signal/plugin.h
	@mkdir -p $(@D)
	$(CXX) -Iinclude -std=c++17 -g -pedantic -Wall -Wextra -Werror $(SANFLAGS) -fPIC \
	    -fvisibility=hidden -shared $(if $(SAN),,-Wl$(comma)-z$(comma)defs) $< -o $@
