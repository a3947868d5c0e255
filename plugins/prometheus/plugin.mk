PLUGINS += prometheus
prometheus_SRC := $(wildcard plugins/prometheus/*.c)
prometheus_PKGS := zlib
prometheus_DEFAULT := yes
prometheus_FLAGS := metrics-port
