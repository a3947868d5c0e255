/* SipHash-2-4 against the test vectors of its authors' reference implementation. */
#include "siphash.h"

#include <criterion/criterion.h>

#include <string.h>

static const struct siphash_key paper_key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

Test(siphash, vector_of_the_paper)
{
	unsigned char input[15];

	for (unsigned i = 0; i < sizeof(input); i++)
		input[i] = (unsigned char)i;
	cr_assert_eq(siphash(&paper_key, input, sizeof(input)), 0xa129ca6149be45e5u);
}

Test(siphash, empty_input)
{
	cr_assert_eq(siphash(&paper_key, "", 0), 0x726fdb47dd0e0e31u);
}

Test(siphash, keys_differ)
{
	struct siphash_key a, b;

	cr_assert_eq(siphash_new_key(&a), 0);
	cr_assert_eq(siphash_new_key(&b), 0);
	cr_assert_neq(siphash(&a, "id", 2), siphash(&b, "id", 2));
}
