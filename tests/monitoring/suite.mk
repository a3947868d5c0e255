# What operators get: the alert rules of etc/prometheus and the dashboard of etc/grafana.
TEST_SUITES += monitoring
