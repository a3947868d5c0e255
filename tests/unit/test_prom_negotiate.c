/* plugins/prometheus: Accept and Accept-Encoding. */
#include "../../plugins/prometheus/negotiate.h"

#include <criterion/criterion.h>

#define OM "application/openmetrics-text"
#define OM_100 OM "; version=1.0.0; charset=utf-8"
#define OM_001 OM "; version=0.0.1; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

static void expect(const char *accept, const char *content_type)
{
	const struct offer *offer = negotiate_offer(accept);

	cr_expect_str_eq(offer->content_type, content_type, "Accept: %s", accept);
	cr_expect_eq(offer->format, content_type[0] == 'a' ? FORMAT_OPENMETRICS : FORMAT_TEXT);
}

/* As Prometheus 2.30, 2.42 and 3.x, the OpenTelemetry collector, curl and a browser ask. */
Test(prom_negotiate, clients_that_there_are)
{
	expect(OM "; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OM_001);
	expect(OM ";version=1.0.0," OM ";version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,"
	          "*/*;q=0.1",
	       OM_100);
	expect("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
	       "encoding=delimited," OM ";version=1.0.0;q=0.8," OM ";version=0.0.1;q=0.75,"
	       "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	       OM_100);
	expect(OM ";version=1.0.0;escaping=allow-utf-8;q=0.5," OM ";version=0.0.1;q=0.4,"
	          "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
	          "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
	       OM_100);
	expect("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,"
	       "*/*;q=0.2",
	       TEXT);
	expect("", TEXT);
	expect("*/*", TEXT);
	expect("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", TEXT);
}

Test(prom_negotiate, names_and_versions)
{
	expect("text/plain", TEXT);
	expect("text/plain; version=0.0.4", TEXT);
	expect("TEXT/Plain; Version=\"0.0.4\"; charset=UTF-8", TEXT);
	expect("text/*", TEXT);
	expect(OM, OM_100);
	expect("Application/OpenMetrics-Text", OM_100);
	expect(OM "; charset=utf-8 ; version=1.0.0", OM_100);
	expect(OM ";version=\"0.0.1\"", OM_001);
	expect("application/*", OM_100);
	expect(OM ";version=2.0.0", TEXT);
	expect(OM ";version=2.0.0," OM ";version=0.0.1;q=0.1", OM_001);
	expect("application/json", TEXT);
	expect("application/openmetrics", TEXT);
	expect(OM "x", TEXT);
}

Test(prom_negotiate, weights)
{
	expect(OM ";q=0.5, text/plain;q=0.6", TEXT);
	expect(OM ";q=0.6, text/plain;q=0.5", OM_100);
	expect(OM ";q=0.501, text/plain;q=0.5", OM_100);
	expect("text/plain;q=0.001, " OM ";q=0", TEXT);
	expect(OM ";q=0", TEXT);
	expect(OM ";q=0, */*", TEXT);
	expect("*/*, text/plain;q=0", OM_100);
	expect("text/*;q=0, */*;q=0.1", OM_100);
	expect("text/plain;q=0," OM ";q=0", TEXT);
	expect(OM ";version=1.0.0;q=0.1," OM ";version=0.0.1;q=0.9", OM_001);
	/* Equal: what was named; both named: OpenMetrics; by a wildcard only: text. */
	expect("text/plain, " OM, OM_100);
	expect(OM ";q=0.5, text/plain;q=0.5", OM_100);
	expect("text/*, application/*", TEXT);
	expect(OM ";q=0.3, */*;q=0.3", OM_100);
	/* The closest counts, wherever it stands. */
	expect("*/*;q=1, text/plain;q=0.1, " OM ";q=0.2", OM_100);
	expect(OM ";version=1.0.0;q=0.1, " OM ";q=0.9, text/plain;q=0.5", OM_001);
}

Test(prom_negotiate, what_is_no_list)
{
	expect(",", TEXT);
	expect(",,, ;;;, =,", TEXT);
	expect(";q=1", TEXT);
	expect("   ,\t" OM "\t ,", OM_100);
	expect(OM " ; q = 0.5 , text/plain ; q = 0.4", OM_100);
	expect(OM ";q=2", TEXT);
	expect(OM ";q=1.001", TEXT);
	expect(OM ";q=-1", TEXT);
	expect(OM ";q=", TEXT);
	expect(OM ";q", TEXT);
	expect(OM ";q=0.1234", TEXT);
	expect(OM ";q=1e0", TEXT);
	expect(OM ";q=1.", OM_100);
	expect(OM ";x=\"a,b;q=0\"", OM_100);
	expect(OM ";x=\"a\\\";q=0", OM_100);
	expect(OM ";x=\"", OM_100);
	expect(OM ";x=\"\\", OM_100);
	expect("\"" OM "\"", TEXT);
	expect("/", TEXT);
	expect("*", TEXT);
	expect("text/", TEXT);
	expect("application/**", TEXT);
}

static void gzip(const char *accept_encoding, int expected)
{
	cr_expect_eq(negotiate_gzip(accept_encoding), expected, "Accept-Encoding: %s",
	             accept_encoding);
}

Test(prom_negotiate, encodings)
{
	gzip("", 0);
	gzip("gzip", 1);
	gzip("GZip", 1);
	gzip("x-gzip", 1);
	gzip("deflate, gzip, br", 1);
	gzip("gzip, deflate, br;q=0.9", 1);
	gzip("gzip;q=0", 0);
	gzip("gzip;q=0.0", 0);
	gzip("gzip;q=0.000", 0);
	gzip("gzip;q=0.001", 1);
	gzip("gzip;q=0, *", 0);
	gzip("*", 1);
	gzip("*;q=0", 0);
	gzip("*;q=0, gzip", 1);
	gzip("identity", 0);
	gzip("identity, gzip", 1);
	gzip("identity;q=0.5, gzip;q=0.4", 0);
	gzip("identity;q=0.4, gzip;q=0.5", 1);
	gzip("identity;q=0, gzip;q=0.1", 1);
	gzip("deflate, br", 0);
	gzip("gzipped", 0);
	gzip("gzip;q=nonsense", 0);
	gzip(";;;,,", 0);
}
