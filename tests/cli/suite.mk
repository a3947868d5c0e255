# The command line of the real daemon: what is refused, with which words and which exit code.
TEST_SUITES += cli
