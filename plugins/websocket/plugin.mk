PLUGINS += websocket
websocket_SRC := $(wildcard plugins/websocket/*.c)
websocket_DEFAULT := yes
