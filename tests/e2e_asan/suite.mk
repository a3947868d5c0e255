# The scenarios of tests/e2e once more, against a daemon and plugins that were built with
# AddressSanitizer and UndefinedBehaviorSanitizer.
ifeq ($(SAN),)
TEST_SUITES += e2e_asan
TEST_PROGRAMS += e2e-asan-tree
e2e-asan-tree: | $(PROTO_SRC)
	$(MAKE) SAN=address,undefined e2e-tree
endif
e2e-tree: all $(TEST_PLUGINS) $(B)/tests/e2e/notify $(B)/tests/e2e/acme_client \
          $(B)/tests/e2e/clock.so
.PHONY: e2e-tree e2e-asan-tree
