PLUGINS += letsencrypt
letsencrypt_SRC := $(wildcard plugins/letsencrypt/*.c)
letsencrypt_PKGS := libcurl jansson libcrypto libssl
letsencrypt_FLAGS := letsencrypt-domain
