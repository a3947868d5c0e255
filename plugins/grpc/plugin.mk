PLUGINS += grpc
grpc_SRC := $(wildcard plugins/grpc/*.c) $(GEN)/health.pb-c.c
grpc_PKGS := grpc_unsecure libprotobuf-c
grpc_DEFAULT := yes
