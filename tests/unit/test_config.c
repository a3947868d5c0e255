/*
 * What a configuration file means: defaults, values, checks across keys.
 */
#include "config_case.h"
#include "config_key.h"
#include "config_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

static in_port_t port_of(const struct config_address *a)
{
	return ntohs(((const struct sockaddr_in *)&a->sa)->sin_port);
}

Test(config, empty_file_is_the_defaults)
{
	struct config *cfg = case_good("");

	cr_expect_eq(cfg->log_level, NBS_INFO);
	cr_expect_str_eq(cfg->log_file, "/var/log/netbird/signal.log");
	cr_expect_str_empty(cfg->user);
	cr_expect_str_eq(cfg->plugin_dir, PLUGIN_DIR);
	cr_expect_eq(cfg->io_threads, 0);
	cr_expect_eq(cfg->shutdown_grace, 5000);
	cr_expect_eq(cfg->max_connections, 20000);
	cr_expect_not(cfg->max_connections_set);
	cr_expect_eq(cfg->max_connections_per_address, 0);
	cr_expect_eq(cfg->handshake_timeout, 10000);
	cr_expect_eq(cfg->max_message_size, 4194304);
	cr_expect_eq(cfg->max_handshakes, 500);
	cr_expect_eq(cfg->n_pairs, 0);
	cr_expect_eq(cfg->tls_min_version, 0x0303);
	cr_expect_str_empty(cfg->client_ca);
	cr_expect_eq(cfg->ping_interval, 25000);
	cr_expect_eq(cfg->ping_timeout, 15000);
	cr_expect_eq(cfg->mailbox_messages, 256);
	cr_expect_eq(cfg->mailbox_bytes, 8 << 20);
	cr_expect_eq(cfg->mailbox_total_bytes, 256 << 20);
	cr_expect_eq(cfg->send_timeout, 10000);
	cr_expect_eq(cfg->grace_period, 5000);
	cr_expect_eq(cfg->admission_timeout, 10000);
	cr_expect_eq(cfg->replace_burst, 10);
	cr_expect_eq(cfg->replace_interval, 1000);
	config_free(cfg);
}

Test(config, empty_file_has_one_listener_and_the_default_plugins)
{
	struct config *cfg = case_good("");

	cr_assert_eq(cfg->n_listeners, 1);
	cr_expect_str_eq(cfg->listeners[0].name, "signal");
	cr_expect_str_empty(cfg->listeners[0].http2);
	cr_expect_eq(cfg->listeners[0].class, CONFIG_PUBLIC);
	cr_expect_eq(cfg->listeners[0].tls, CONFIG_TLS_AUTO);
	cr_expect_not(cfg->listeners[0].proxy_protocol);
	cr_expect_eq(cfg->listeners[0].n_trusted, 0);
	cr_assert_eq(cfg->listeners[0].n_addresses, 1);
	cr_expect(cfg->listeners[0].addresses[0].any);
	cr_expect_eq(cfg->listeners[0].addresses[0].sa.ss_family, AF_INET6);
	cr_expect_eq(port_of(&cfg->listeners[0].addresses[0]), 10000);
	cr_expect_str_eq(cfg->listeners[0].where, "built-in");
	cr_assert(config_plugin(cfg, "grpc"));
	cr_expect_str_eq(config_plugin(cfg, "grpc")->path, PLUGIN_DIR "/grpc.so");
	cr_expect(config_plugin(cfg, "grpc")->enabled);
	cr_expect_null(config_plugin(cfg, "nobody"));
	config_free(cfg);
}

Test(config, values_of_every_type)
{
	struct config *cfg = case_good("[daemon]\n"
	                               "log-level = debug # and a comment\n"
	                               "log-file = \"/tmp/a;b#c\" ; and another\n"
	                               "user=root\n"
	                               "plugin-dir='/opt/my plugins'\n"
	                               "io-threads\t=\t4\n"
	                               "shutdown-grace = 0\n"
	                               "[limits]\n"
	                               "max-connections = 1000\n"
	                               "handshake-timeout = 500ms\n"
	                               "max-message-size = 64k\n"
	                               "[peers]\n"
	                               "send-timeout = 2m\n"
	                               "grace-period = 7\n"
	                               "mailbox-total-bytes = 2G\n"
	                               "replace-interval = 1h\n");

	cr_expect_eq(cfg->log_level, NBS_DEBUG);
	cr_expect_str_eq(cfg->log_file, "/tmp/a;b#c");
	cr_expect_str_eq(cfg->user, "root");
	cr_expect_str_eq(cfg->plugin_dir, "/opt/my plugins");
	cr_expect_eq(cfg->io_threads, 4);
	cr_expect_eq(cfg->shutdown_grace, 0);
	cr_expect_eq(cfg->max_connections, 1000);
	cr_expect(cfg->max_connections_set);
	cr_expect_eq(cfg->handshake_timeout, 500);
	cr_expect_eq(cfg->max_message_size, 65536);
	cr_expect_eq(cfg->send_timeout, 120000);
	cr_expect_eq(cfg->grace_period, 7000);
	cr_expect_eq(cfg->mailbox_total_bytes, INT64_C(2) << 30);
	cr_expect_eq(cfg->replace_interval, 3600000);
	config_free(cfg);
}

Test(config, listeners)
{
	struct config *cfg =
	    case_good("[listener a]\naddress = 127.0.0.1:1, [::1]:2 ,*:0\nclass = admin\n"
	              "[listener signal]\nhttp2 = grpc\n[plugin grpc]\n");
	const struct config_listener *a = &cfg->listeners[0], *b = &cfg->listeners[1];

	cr_assert_eq(cfg->n_listeners, 2);
	cr_expect_str_eq(a->name, "a");
	cr_expect_eq(a->class, CONFIG_ADMIN);
	cr_assert_eq(a->n_addresses, 3);
	cr_expect_eq(a->addresses[0].sa.ss_family, AF_INET);
	cr_expect_eq(a->addresses[0].len, sizeof(struct sockaddr_in));
	cr_expect_str_eq(a->addresses[0].text, "127.0.0.1:1");
	cr_expect_eq(a->addresses[1].sa.ss_family, AF_INET6);
	cr_expect_not(a->addresses[1].any);
	cr_expect_str_eq(a->addresses[1].text, "[::1]:2");
	cr_expect(a->addresses[2].any);
	cr_expect_eq(port_of(&a->addresses[2]), 0);
	cr_expect_str_eq(b->http2, "grpc");
	cr_expect_eq(b->n_addresses, 1);
	config_free(cfg);
}

Test(config, addresses_that_are_none)
{
	static const char *const bad[][2] = {
	    {"10000", "ADDRESS:PORT with"},
	    {"localhost:1", "ADDRESS:PORT with"},
	    {"", "ADDRESS:PORT with"},
	    {":1", "ADDRESS:PORT with"},
	    {"1.2.3:1", "ADDRESS:PORT with"},
	    {"*:65536", "a port from 0 to 65535"},
	    {"*:", "a port from"},
	    {"*:-1", "a port from"},
	    {"*:1x", "a port from"},
	    {"*: 1", "a port from"},
	    {"::1:1", "brackets around"},
	    {"[::1", "brackets around"},
	    {"[::g]:1", "an IPv6 address in the brackets"},
	    {"[]:1", "an IPv6 address in the brackets"},
	    {"[127.0.0.1]:1", "an IPv6 address in the brackets"},
	    {"[fe80::1%nosuchif]:1", "the name of a network interface"},
	    {"127.0.0.1:1,,127.0.0.1:2", "ADDRESS:PORT with"},
	    {"127.0.0.1:1,", "ADDRESS:PORT with"},
	};
	char text[256], line[256];
	struct config *cfg;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[listener x]\naddress = %s\n", bad[i][0]);
		cr_expect_eq(case_bytes(&cfg, text, strlen(text)), -EINVAL, "accepted %s",
		             bad[i][0]);
		snprintf(line, sizeof(line), ":2: [listener x] address: expected %s", bad[i][1]);
		cr_expect(strstr(case_said, line), "%s: got %s", bad[i][0], case_said);
	}
}

Test(config, addresses_that_collide)
{
	case_bad("[listener x]\naddress = 127.0.0.1:1, 127.0.0.1:1\n",
	         "2: [listener x] address: expected each address once, 127.0.0.1:1 is taken by "
	         "127.0.0.1:1 of [listener x]");
	case_bad(
	    "[listener x]\naddress = *:1\n[listener y]\naddress = 127.0.0.1:1\n",
	    "4: [listener y] address: expected each address once, 127.0.0.1:1 is taken by *:1 of "
	    "[listener x]");
	case_bad(
	    "[listener x]\naddress = [::1]:1\n[listener y]\naddress = [0::0]:1\n",
	    "4: [listener y] address: expected each address once, [0::0]:1 is taken by [::1]:1 of "
	    "[listener x]");
	config_free(
	    case_good("[listener x]\naddress = 0.0.0.0:1, [::]:1, 127.0.0.1:2, 127.0.0.2:2\n"
	              "[listener y]\naddress = *:0, *:0\n"));
}

Test(config, a_listener_of_another_name_needs_an_address)
{
	case_bad("[listener x]\nclass = admin\n",
	         "1: [listener x]: expected an address, only [listener "
	         "signal] has a default for it");
}

Test(config, values_that_are_none)
{
	static const struct {
		const char *text, *line;
	} bad[] = {
	    {"[daemon]\nlog-level = loud\n",
	     "2: [daemon] log-level: expected error, warn, info or debug, got \"loud\""},
	    {"[daemon]\nio-threads = 65\n",
	     "2: [daemon] io-threads: expected a number from 0 to 64, got \"65\""},
	    {"[daemon]\nio-threads = -1\n",
	     "2: [daemon] io-threads: expected a number from 0 to 64, got \"-1\""},
	    {"[daemon]\nio-threads = 0x10\n",
	     "2: [daemon] io-threads: expected a number from 0 to 64, got \"0x10\""},
	    {"[daemon]\nio-threads =\n",
	     "2: [daemon] io-threads: expected a number from 0 to 64, got \"\""},
	    {"[daemon]\nlog-file =\n",
	     "2: [daemon] log-file: expected a file name, or console, got \"\""},
	    {"[daemon]\nplugin-dir = \"\"\n",
	     "2: [daemon] plugin-dir: expected a directory, got \"\""},
	    {"[daemon]\nuser = no-such-user-here\n",
	     "2: [daemon] user: expected a user of this machine, got \"no-such-user-here\""},
	    {"[limits]\nmax-connections = 99999999999999999999\n",
	     "2: [limits] max-connections: expected a number from 1 to 1000000, got "
	     "\"99999999999999999999\""},
	    {"[limits]\nhandshake-timeout = 99ms\n",
	     "2: [limits] handshake-timeout: expected a duration from 100ms to 5m, such as 10s or "
	     "500ms, got \"99ms\""},
	    {"[limits]\nhandshake-timeout = 1.5s\n",
	     "2: [limits] handshake-timeout: expected a duration from 100ms to 5m, such as 10s or "
	     "500ms, got \"1.5s\""},
	    {"[limits]\nmax-message-size = 4MB\n",
	     "2: [limits] max-message-size: expected a size from 1K to 64M, such as 64K or 4M, got "
	     "\"4MB\""},
	    {"[listener signal]\nclass = Admin\n",
	     "2: [listener signal] class: expected public, admin or challenge, got \"Admin\""},
	    {"[listener signal]\ntls = on\n",
	     "2: [listener signal] tls: expected auto, required or off, got \"on\""},
	    {"[listener signal]\ntls =\n",
	     "2: [listener signal] tls: expected auto, required or off, got \"\""},
	    {"[listener signal]\nproxy-protocol = v2\n",
	     "2: [listener signal] proxy-protocol: expected off or required, got \"v2\""},
	    {"[tls]\nmin-version = 1.1\n",
	     "2: [tls] min-version: expected 1.2 or 1.3, got \"1.1\""},
	    {"[tls]\nmin-version = 1.20\n",
	     "2: [tls] min-version: expected 1.2 or 1.3, got \"1.20\""},
	    {"[limits]\nmax-handshakes = 0\n",
	     "2: [limits] max-handshakes: expected a number from 1 to 100000, got \"0\""},
	    {"[limits]\nmax-handshakes = 100001\n",
	     "2: [limits] max-handshakes: expected a number from 1 to 100000, got \"100001\""},
	    {"[http]\nping-interval = 4999ms\n",
	     "2: [http] ping-interval: expected a duration from 5s to 10m, such as 10s or 500ms, "
	     "got \"4999ms\""},
	    {"[http]\nping-interval = 11m\n",
	     "2: [http] ping-interval: expected a duration from 5s to 10m, such as 10s or 500ms, "
	     "got \"11m\""},
	    {"[http]\nping-timeout = 0\n",
	     "2: [http] ping-timeout: expected a duration from 1s to 5m, such as 10s or 500ms, got "
	     "\"0\""},
	    {"[http]\nping-timeout = 301s\n",
	     "2: [http] ping-timeout: expected a duration from 1s to 5m, such as 10s or 500ms, got "
	     "\"301s\""},
	    {"[listener signal]\nhttp2 = ../x\n", "2: [listener signal] http2: expected the name "
	                                          "of a plugin, off, or nothing, got \"../x\""},
	    {"[plugin grpc]\nenabled = maybe\n",
	     "2: [plugin grpc] enabled: expected yes or no, got \"maybe\""},
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		/* A bad plugin name is not configured either: two lines. */
		unsigned lines = strstr(bad[i].text, "../x") ? 2 : 1;

		case_bad_bytes(bad[i].text, strlen(bad[i].text), bad[i].line, lines);
	}
}

Test(config, unknown_keys_and_sections)
{
	case_bad(
	    "[peers]\ngrace = 1\n",
	    "2: [peers] grace: unknown key, expected one of mailbox-messages, mailbox-bytes, "
	    "mailbox-total-bytes, send-timeout, grace-period, admission-timeout, replace-burst, "
	    "replace-interval");
	case_bad(
	    "[peer]\ngrace-period = 1\n",
	    "1: [peer]: unknown section, expected [daemon], [listener NAME], [tls], [tls NAME], "
	    "[http], [limits], [peers] or [plugin NAME]");
	case_bad("[listener]\naddress = *:1\n", "1: [listener]: expected [listener NAME]");
	case_bad("[daemon x]\n", "1: [daemon x]: expected [daemon]");
	case_bad(
	    "[plugin abcdefghijklmnopqrstuvwxyz0123456]\n",
	    "1: [plugin abcdefghijklmnopqrstuvwxyz0123456]: expected [plugin NAME] with a shorter "
	    "name");
	config_free(case_good("[plugin abcdefghijklmnopqrstuvwxyz01234]\n"));
}

Test(config, mailboxes_hold_a_message)
{
	case_bad(
	    "[limits]\nmax-message-size = 16M\n",
	    "2: [peers] mailbox-bytes: expected at least [limits] max-message-size, which is 16M, "
	    "got 8M, its default");
	case_bad(
	    "[peers]\nmailbox-bytes = 3M\n",
	    "2: [peers] mailbox-bytes: expected at least [limits] max-message-size, which is 4M by "
	    "default, got 3M");
	case_bad(
	    "[peers]\n\nmailbox-bytes = 512M\n",
	    "3: [peers] mailbox-total-bytes: expected at least [peers] mailbox-bytes, which is "
	    "512M, got 256M, its default");
	config_free(case_good("[limits]\nmax-message-size = 8M\n"));
}

Test(config, http2_names_a_plugin_that_is_loaded)
{
	case_bad("[listener signal]\nhttp2 = lean\n",
	         "2: [listener signal] http2: expected a plugin, [plugin lean] is not configured");
	case_bad("[listener signal]\nhttp2 = lean\n[plugin lean]\nenabled = no\n",
	         "2: [listener signal] http2: expected a plugin, [plugin lean] is not enabled");
	config_free(case_good("[listener signal]\nhttp2 = lean\n[plugin lean]\nenabled = on\n"));
}

Test(config, a_listener_without_http2)
{
	struct config *cfg = case_good("[listener signal]\nhttp2 = off\n");

	cr_expect_str_eq(cfg->listeners[0].http2, CONFIG_HTTP2_OFF);
	config_free(cfg);
	case_bad("[plugin off]\n",
	         "1: [plugin off]: expected another name, off is what http2 says for none");
}

Test(config, a_challenge_listener_has_no_http2)
{
	struct config *cfg = case_good("[listener acme]\naddress = *:80\nclass = challenge\n"
	                               "[listener x]\naddress = *:81\nclass = challenge\n"
	                               "http2 = off\n");

	cr_expect_eq(cfg->listeners[0].class, CONFIG_CHALLENGE);
	cr_expect_eq(cfg->listeners[1].class, CONFIG_CHALLENGE);
	config_free(cfg);
	case_bad("[listener x]\naddress = *:80\nclass = challenge\nhttp2 = grpc\n"
	         "[plugin grpc]\n",
	         "4: [listener x] http2: expected nothing or off with class = challenge, got "
	         "\"grpc\"");
}

/* Its listener is not there to be asked for its class. */
Test(config, http2_of_a_listener_whose_name_is_too_long)
{
	case_bad("[listener abcdefghijklmnopqrstuvwxyz0123456]\naddress = *:1\nhttp2 = grpc\n"
	         "[plugin grpc]\n",
	         "1: [listener abcdefghijklmnopqrstuvwxyz0123456]: expected [listener NAME] with a "
	         "shorter name");
}

Test(config, plugin_files)
{
	struct config *cfg =
	    case_good("[plugin a]\n[plugin b]\nfile = c.so\n[plugin d]\nfile=./d.so\n"
	              "enabled=off\n[daemon]\nplugin-dir = /x\n");

	cr_assert_eq(cfg->n_plugins, 3);
	cr_expect_str_eq(config_plugin(cfg, "a")->path, "/x/a.so");
	cr_expect_str_eq(config_plugin(cfg, "b")->path, "/x/c.so");
	cr_expect_str_eq(config_plugin(cfg, "d")->path, "./d.so");
	cr_expect_not(config_plugin(cfg, "d")->enabled);
	config_free(cfg);
}
