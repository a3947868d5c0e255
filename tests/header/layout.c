/*
 * The layout of ABI 1, version 0.1.0, on 64-bit machines.  Compiled, never linked.  A line that
 * fails here is a plugin of that release that would no longer work: add fields at the end of a
 * struct, write them into docs/ABI.md, and add lines here.  What is marked experimental in the
 * header may change and has only its place in struct nbs_host here.
 */
#include <netbird-signal/plugin.h>

#define AT(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field " has moved")
#define IS(name, value) _Static_assert((name) == (value), #name " has another value")

#if __SIZEOF_POINTER__ == 8 && __SIZEOF_LONG__ == 8

/* struct nbs_msg */
AT(nbs_msg, from, 0);
AT(nbs_msg, from_len, 8);
AT(nbs_msg, to, 16);
AT(nbs_msg, to_len, 24);
AT(nbs_msg, wire, 32);
AT(nbs_msg, len, 40);

/* struct nbs_limits */
AT(nbs_limits, size, 0);
AT(nbs_limits, max_message, 8);
AT(nbs_limits, max_id, 16);
AT(nbs_limits, io_threads, 24);
AT(nbs_limits, max_connections, 32);

/* struct nbs_metric_desc */
AT(nbs_metric_desc, size, 0);
AT(nbs_metric_desc, kind, 8);
AT(nbs_metric_desc, name, 16);
AT(nbs_metric_desc, help, 24);
AT(nbs_metric_desc, labels, 32);
AT(nbs_metric_desc, bounds, 40);
AT(nbs_metric_desc, n_bounds, 48);

/* struct nbs_peer_ops */
AT(nbs_peer_ops, size, 0);
AT(nbs_peer_ops, registered, 8);
AT(nbs_peer_ops, wake, 16);
AT(nbs_peer_ops, hangup, 24);

/* struct nbs_conn_about */
AT(nbs_conn_about, size, 0);
AT(nbs_conn_about, remote, 8);
AT(nbs_conn_about, local, 88);
AT(nbs_conn_about, listener, 168);
AT(nbs_conn_about, admin, 200);
AT(nbs_conn_about, id, 208);
AT(nbs_conn_about, proxy, 216);
AT(nbs_conn_about, tls, 296);
AT(nbs_conn_about, alpn, 312);
AT(nbs_conn_about, server_name, 328);

/* struct nbs_conn_ops */
AT(nbs_conn_ops, size, 0);
AT(nbs_conn_ops, readable, 8);
AT(nbs_conn_ops, eof, 16);
AT(nbs_conn_ops, writable, 24);
AT(nbs_conn_ops, woken, 32);
AT(nbs_conn_ops, closed, 40);

/* struct nbs_service */
AT(nbs_service, size, 0);
AT(nbs_service, protocol, 8);
AT(nbs_service, adopt, 16);
AT(nbs_service, open, 24);
AT(nbs_service, thread_begin, 32);
AT(nbs_service, thread_end, 40);

/* struct nbs_request_about */
AT(nbs_request_about, size, 0);
AT(nbs_request_about, method, 8);
AT(nbs_request_about, path, 16);
AT(nbs_request_about, body, 24);
AT(nbs_request_about, body_len, 32);

/* struct nbs_route */
AT(nbs_route, size, 0);
AT(nbs_route, method, 8);
AT(nbs_route, path, 16);
AT(nbs_route, classes, 24);
AT(nbs_route, max_body, 32);
AT(nbs_route, handle, 40);

/* struct nbs_ws_ops */
AT(nbs_ws_ops, size, 0);
AT(nbs_ws_ops, message, 8);
AT(nbs_ws_ops, writable, 16);
AT(nbs_ws_ops, woken, 24);
AT(nbs_ws_ops, closed, 32);

/* struct nbs_ws_path */
AT(nbs_ws_path, size, 0);
AT(nbs_ws_path, path, 8);
AT(nbs_ws_path, subprotocol, 16);
AT(nbs_ws_path, classes, 24);
AT(nbs_ws_path, open, 32);

/* struct nbs_listener */
AT(nbs_listener, size, 0);
AT(nbs_listener, name, 8);
AT(nbs_listener, addresses, 16);
AT(nbs_listener, classes, 24);
AT(nbs_listener, flags, 28);

/* struct nbs_cert */
AT(nbs_cert, size, 0);
AT(nbs_cert, name, 8);
AT(nbs_cert, chain, 16);
AT(nbs_cert, chain_len, 24);
AT(nbs_cert, key, 32);
AT(nbs_cert, key_len, 40);
AT(nbs_cert, server_name, 48);
AT(nbs_cert, alpn, 56);
AT(nbs_cert, flags, 64);

/* struct nbs_command */
AT(nbs_command, size, 0);
AT(nbs_command, name, 8);
AT(nbs_command, usage, 16);
AT(nbs_command, run, 24);

/* struct nbs_carrier_ops */
AT(nbs_carrier_ops, size, 0);
AT(nbs_carrier_ops, write, 8);
AT(nbs_carrier_ops, flow, 16);
AT(nbs_carrier_ops, closed, 24);

/* struct nbs_host */
AT(nbs_host, size, 0);
AT(nbs_host, abi, 8);
AT(nbs_host, log, 16);
AT(nbs_host, log_enabled, 24);
AT(nbs_host, shutdown, 32);
AT(nbs_host, post, 40);
AT(nbs_host, limits, 48);
AT(nbs_host, conf_str, 56);
AT(nbs_host, conf_int, 64);
AT(nbs_host, conf_bool, 72);
AT(nbs_host, conf_duration, 80);
AT(nbs_host, conf_size, 88);
AT(nbs_host, metric_register, 96);
AT(nbs_host, metric_record, 104);
AT(nbs_host, metric_each, 112);
AT(nbs_host, peer_register, 120);
AT(nbs_host, peer_take, 128);
AT(nbs_host, peer_deregister, 136);
AT(nbs_host, peer_refused, 144);
AT(nbs_host, forward, 152);
AT(nbs_host, msg_ref, 160);
AT(nbs_host, msg_unref, 168);
AT(nbs_host, service_register, 176);
AT(nbs_host, conn_about, 184);
AT(nbs_host, conn_write, 192);
AT(nbs_host, conn_pause, 200);
AT(nbs_host, conn_resume, 208);
AT(nbs_host, conn_close, 216);
AT(nbs_host, conn_wake, 224);
AT(nbs_host, admission_register, 232);
AT(nbs_host, admission_decide, 240);
AT(nbs_host, router_register, 248);
AT(nbs_host, route_register, 256);
AT(nbs_host, ws_register, 264);
AT(nbs_host, ready_object, 272);
AT(nbs_host, request_about, 280);
AT(nbs_host, request_conn, 288);
AT(nbs_host, request_header, 296);
AT(nbs_host, request_query, 304);
AT(nbs_host, request_reply, 312);
AT(nbs_host, ws_header, 320);
AT(nbs_host, ws_query, 328);
AT(nbs_host, ws_about, 336);
AT(nbs_host, ws_write, 344);
AT(nbs_host, ws_pause, 352);
AT(nbs_host, ws_resume, 360);
AT(nbs_host, ws_close, 368);
AT(nbs_host, ws_wake, 376);
AT(nbs_host, ws_carry, 384);
AT(nbs_host, carried_bytes, 392);
AT(nbs_host, carried_writable, 400);
AT(nbs_host, carried_end, 408);
AT(nbs_host, listener_register, 416);
AT(nbs_host, conf_flag, 424);
AT(nbs_host, cert_provide, 432);
AT(nbs_host, cert_withdraw, 440);
AT(nbs_host, command_register, 448);
AT(nbs_host, call_print, 456);

/* struct nbs_plugin */
AT(nbs_plugin, magic, 0);
AT(nbs_plugin, abi, 4);
AT(nbs_plugin, size, 8);
AT(nbs_plugin, name, 16);
AT(nbs_plugin, version, 24);
AT(nbs_plugin, init, 32);
AT(nbs_plugin, start, 40);
AT(nbs_plugin, reload_prepare, 48);
AT(nbs_plugin, reload_finish, 56);
AT(nbs_plugin, drain, 64);
AT(nbs_plugin, stop, 72);
AT(nbs_plugin, destroy, 80);

/* struct nbs_plugin_note */
AT(nbs_plugin_note, name_size, 0);
AT(nbs_plugin_note, content_size, 4);
AT(nbs_plugin_note, type, 8);
AT(nbs_plugin_note, name, 12);
AT(nbs_plugin_note, magic, 28);
AT(nbs_plugin_note, abi, 32);

#endif

IS(NBS_MAGIC, 0x4e425347);
IS(NBS_ABI, 1);
IS(NBS_ID_MAX, 256);
IS(NBS_ADDR_MAX, 80);
IS(NBS_NOTE_TYPE, 1);
IS(NBS_ERROR, 0);
IS(NBS_WARN, 1);
IS(NBS_INFO, 2);
IS(NBS_DEBUG, 3);
IS(NBS_COUNTER, 0);
IS(NBS_GAUGE, 1);
IS(NBS_HISTOGRAM, 2);
IS(NBS_REPLACED, 0);
IS(NBS_STALLED, 1);
IS(NBS_STOPPING, 2);
IS(NBS_REFUSED_MISSING_ID, 0);
IS(NBS_REFUSED_MISSING_META, 1);
IS(NBS_REFUSED_FAILED_HEADER, 2);
IS(NBS_LOCAL_ONLY, 1);
IS(NBS_CLOSE_FLUSH, 0);
IS(NBS_CLOSE_ABORT, 1);
IS(NBS_NAME_MAX, 256);
IS(NBS_PUBLIC, 1);
IS(NBS_ADMIN, 2);
IS(NBS_WS_FIRST, 1);
IS(NBS_WS_FINAL, 2);
IS(NBS_WS_TEXT, 4);
