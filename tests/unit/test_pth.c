/* test_pth.c - PyTorch's .pth: files that torch.save wrote (pth/make.py), and files that mean harm */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <zip.h>

#include "engine/engine.h"
#include "tests/unit/scratch.h"

#define BACKBONE "grids/fashion/backbone.safetensors"
#define FILES    "tests/unit/pth/"

static struct weights *open_ok(const char *path)
{
	struct weights *w = NULL;
	struct err e = {0};

	if (weights_open(&w, path, &e))
		fail_msg("%s", e.msg);
	return w;
}

/* Opening fails; the one line names the file and has the words in it. */
static void refused(const char *path, const char *words)
{
	struct weights *w = (struct weights *)&w;
	struct err e = {0};
	int rc = weights_open(&w, path, &e);

	if (rc != ERR_DATA || !strstr(e.msg, words) || strncmp(e.msg, path, strlen(path)))
		fail_msg("rc %d, expected '%s': %s", rc, words, e.msg);
	for (const char *c = e.msg; *c; c++)
		assert_true((unsigned char)*c >= ' ');
	assert_null(w);
}

/* ---- a pickle and its zip, by hand ------------------------------------------------------------------------- */

static unsigned char code[1 << 21];
static size_t n_code;

static void put(const void *bytes, size_t n)
{
	memcpy(code + n_code, bytes, n);
	n_code += n;
}

#define OP(literal) put(literal, sizeof(literal) - 1)

static void text(const char *s)
{
	uint32_t n = (uint32_t)strlen(s);

	OP("X");
	put(&n, 4);
	put(s, n);
}

static void number(int64_t v)
{
	OP("\x8a\x08");
	put(&v, 8);
}

static void storage(const char *type, const char *key, int64_t n)
{
	OP("(");
	text("storage");
	OP("ctorch\n");
	put(type, strlen(type));
	OP("\n");
	text(key);
	text("cpu");
	number(n);
	OP("tQ");
}

static void extents(int rank, const int64_t *v)
{
	OP("(");
	for (int i = 0; i < rank; i++)
		number(v[i]);
	OP("t");
}

static void tensor(const char *type, const char *key, int64_t n, int64_t offset, int rank, const int64_t *shape,
		   const int64_t *stride)
{
	OP("ctorch._utils\n_rebuild_tensor_v2\n(");
	storage(type, key, n);
	number(offset);
	extents(rank, shape);
	extents(rank, stride);
	OP("\x89}tR");
}

static void begin(void)
{
	n_code = 0;
	OP("\x80\x02}(");
}

/* One float tensor 't' of these extents over a storage of n elements. */
static void one(int64_t n, int64_t offset, int rank, const int64_t *shape, const int64_t *stride)
{
	begin();
	text("t");
	tensor("FloatStorage", "0", n, offset, rank, shape, stride);
	OP("u.");
}

struct member {
	const char *name;
	const void *bytes;
	size_t n;
	int compress, encrypt; /* libzip's numbers */
};

static const char *zip_of(const struct member *m, int n)
{
	const char *path = scratch_write("w.pth", "", 0);
	zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);

	for (int i = 0; i < n; i++) {
		zip_source_t *s = zip_source_buffer(z, m[i].bytes, m[i].n, 0);
		zip_int64_t at = zip_file_add(z, m[i].name, s, 0);

		assert_true(at >= 0);
		assert_int_equal(
			zip_set_file_compression(z, (zip_uint64_t)at, m[i].compress ? m[i].compress : ZIP_CM_STORE, 0),
			0);
		if (m[i].encrypt)
			assert_int_equal(zip_file_set_encryption(z, (zip_uint64_t)at, (zip_uint16_t)m[i].encrypt, "x"),
					 0);
	}
	assert_int_equal(zip_close(z), 0);
	return path;
}

static const float four[4] = {1, 2, 3, 4};

/* The pickle in code[] with a storage '0' of four floats. */
static const char *pth(void)
{
	const struct member m[] = {{"w/data.pkl", code, n_code, 0, 0}, {"w/data/0", four, sizeof(four), 0, 0}};

	return zip_of(m, 2);
}

#define SHAPE(...)          \
	(const int64_t[])   \
	{                   \
		__VA_ARGS__ \
	}

/* ---- what PyTorch writes ----------------------------------------------------------------------------------- */

static void same(const struct weights *a, const struct weights *b)
{
	assert_int_equal(weights_count(a), weights_count(b));
	for (int i = 0; i < weights_count(a); i++) {
		const struct tensor *s = weights_at(a, i);
		const struct tensor *t = weights_find(b, s->name);

		assert_non_null(t);
		assert_int_equal(s->rank, t->rank);
		assert_int_equal(s->n, t->n);
		assert_memory_equal(s->shape, t->shape, sizeof(s->shape));
		assert_memory_equal(s->data, t->data, (size_t)s->n * 4);
	}
	assert_string_equal(weights_hash(a), weights_hash(b));
}

static void same_files(const char *pth_path, const char *safetensors, int skipped, const char *under)
{
	struct weights *a = open_ok(pth_path);
	struct weights *b = open_ok(safetensors);

	same(a, b);
	assert_string_equal(weights_info(a)->format, "PyTorch zip");
	assert_string_equal(weights_info(b)->format, "safetensors");
	assert_int_equal(weights_info(a)->skipped, skipped);
	assert_string_equal(weights_info(a)->under, under);
	weights_free(a);
	weights_free(b);
}

static void test_backbone(void **state)
{
	(void)state;
	same_files(FILES "slim.pth", BACKBONE, 9, "");
}

static void test_every_kind_of_tensor(void **state)
{
	struct weights *w = open_ok(FILES "kinds.pth");

	(void)state;
	same_files(FILES "kinds.pth", FILES "kinds.safetensors", 4, "");
	assert_string_equal(weights_find(w, "brain")->dtype, "BF16");
	assert_string_equal(weights_find(w, "transposed.half")->dtype, "F16");
	assert_string_equal(weights_at(w, 0)->name, "half"); /* in file order */
	assert_int_equal(weights_find(w, "scalar")->rank, 0);
	weights_free(w);
}

static void test_checkpoint(void **state)
{
	(void)state;
	same_files(FILES "checkpoint.pth", FILES "checkpoint.safetensors", 1, "state_dict");
}

/* The name says nothing: a .pth called .safetensors and the other way round. */
static void test_format_is_known_by_content(void **state)
{
	static char bytes[1 << 17];
	FILE *f = fopen(FILES "slim.pth", "rb");
	size_t n = fread(bytes, 1, sizeof(bytes), f);

	(void)state;
	fclose(f);
	same_files(scratch_write("w.safetensors", bytes, n), BACKBONE, 9, "");
	f = fopen(BACKBONE, "rb");
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	same_files(FILES "slim.pth", scratch_write("w.pth", bytes, n), 9, "");
}

static void test_legacy_format(void **state)
{
	(void)state;
	refused(FILES "legacy.pth", "re-save with torch.save(..., _use_new_zipfile_serialization=True)");
}

/* ---- where a checkpoint keeps its state dict ---------------------------------------------------------------- */

static void test_nested_under(void **state)
{
	static const char *const key[] = {"model", "model_state_dict", "state_dict"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct weights *w;

		begin();
		text("epoch");
		OP("K\x03");
		text(key[i]);
		OP("}(");
		text("model.fc.bias");
		tensor("FloatStorage", "0", 4, 1, 1, SHAPE(3), SHAPE(1));
		OP("uu.");
		w = open_ok(pth());
		assert_string_equal(weights_info(w)->under, key[i]);
		assert_true(weights_find(w, "fc.bias")->data[2] == 4);
		weights_free(w);
	}
}

static void test_not_a_state_dict(void **state)
{
	(void)state;
	n_code = 0;
	OP("\x80\x02]\x2e");
	refused(pth(), "data.pkl: it holds a list; expected a dict of tensors");
	begin();
	text("epoch");
	OP("K\x03u.");
	refused(pth(), "'epoch' is an integer, not a tensor; expected a state dict, or one under 'state_dict'");
	begin();
	OP("K\x03K\x03u.");
	refused(pth(), "a key that is no name of a tensor (an integer)");
	begin();
	OP("X\x02\0\0\0a\0N");
	OP("u.");
	refused(pth(), "a key that is no name");
	begin();
	OP("X\x02\0\0\0\xc0\x80N"); /* not UTF-8 */
	OP("u.");
	refused(pth(), "a key that is no name");
}

/* A dict that holds itself where its state dict should be: one step down is taken, not more. */
static void test_dict_in_itself(void **state)
{
	(void)state;
	n_code = 0;
	OP("\x80\x02}q\x05(");
	text("state_dict");
	OP("h\x05u.");
	refused(pth(), "'state_dict' is a dict, not a tensor");
	n_code = 0;
	OP("\x80\x02]q\x01(h\x01h\x01h\x01"
	   "eh\x01\x61.");
	refused(pth(), "it holds a list");
}

static void test_same_name_twice(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 2; i++) {
		text(i ? "model.t" : "t");
		tensor("FloatStorage", "0", 4, 0, 1, SHAPE(4), SHAPE(1));
	}
	OP("u.");
	refused(pth(), "tensor 't': there twice once the prefixes module., backbone. and model. are dropped");
}

/* ---- harm by pickle ---------------------------------------------------------------------------------------- */

static void test_nothing_is_called(void **state)
{
	static const char *const name[] = {"os\nsystem\n",
					   "posix\nsystem\n",
					   "builtins\neval\n",
					   "__builtin__\neval\n",
					   "torch\nload\n",
					   "torch._utils\n_rebuild_tensor\n",
					   "collections\nCounter\n",
					   "torch.hub\nFloatStorage\n",
					   "evil_\nFloatStorage\n",
					   "torch\nU8\n",
					   "numpy.core.multiarray\nscalar\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++) {
		char words[100];

		begin();
		text("t");
		OP("c");
		put(name[i], strlen(name[i]));
		OP("(");
		text("touch pwned");
		OP("tRu.");
		snprintf(words, sizeof(words), "byte 10: it names '%s", name[i]);
		*strchr(words, '\n') = '.';
		*strchr(words, '\n') = '\0';
		refused(pth(), words);
	}
	begin();
	OP("ctorch\nFloatStorage\n)Ru.");
	refused(pth(), "calls a storage");
	begin();
	OP("K\x01)Ru.");
	refused(pth(), "calls an integer");
	begin();
	OP("ccollections\nOrderedDict\nK\x01\x85Ru.");
	refused(pth(), "OrderedDict with arguments");
	begin();
	OP("ccollections\nOrderedDict\n}b.");
	refused(pth(), "gives a class a state");
	begin();
	OP("ca\x1b[31m\nb\n");
	refused(pth(), "it names 'a?[31m.b'");
}

static void test_opcodes_that_are_refused(void **state)
{
	static const struct {
		const char *op, *name;
	} bad[] = {{"i", "INST (0x69)"},         {"o", "OBJ (0x6f)"},
		   {"\x81", "NEWOBJ (0x81)"},    {"\x93", "STACK_GLOBAL (0x93)"},
		   {"\x82", "EXT1 (0x82)"},      {"P", "PERSID (0x50)"},
		   {"S", "STRING (0x53)"},       {"2", "DUP (0x32)"},
		   {"\xff", "unknown (0xff)"},   {"\x95", "FRAME (0x95)"},
		   {"\x92", "NEWOBJ_EX (0x92)"}, {"p", "PUT (0x70)"}};
	char words[100];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		begin();
		put(bad[i].op, 1);
		OP("aaaaaaaaaa.");
		snprintf(words, sizeof(words), "data.pkl: byte 4: opcode %s is none that a state dict needs",
			 bad[i].name);
		refused(pth(), words);
	}
	n_code = 0;
	OP("\x80\x04}.");
	refused(pth(), "pickle protocol 4; only 2");
}

static void test_a_machine_that_stumbles(void **state)
{
	static const struct {
		const char *code;
		size_t n;
		const char *words;
	} bad[] = {
#define BAD(literal, words) {literal, sizeof(literal) - 1, words}
		BAD("", "ends without STOP"),
		BAD("\x80\x02}", "ends without STOP"),
		BAD("\x80", "ends inside an argument"),
		BAD("X\xff\xff\xff\xff", "ends inside an argument"),
		BAD("X\x05\0\0\0abcd", "ends inside an argument"),
		BAD("cos", "ends inside a name"),
		BAD("cos\nsystem", "ends inside a name"),
		BAD("\x8a\x09xxxxxxxxx", "an integer of 9 bytes, at most 8"),
		BAD("t", "none"),
		BAD("u", "none"),
		BAD("s", "takes more values than there are"),
		BAD("R", "takes more values than there are"),
		BAD("\x87", "takes more values than there are"),
		BAD("q\x01", "takes more values than there are"),
		BAD("K\x01(\x85", "takes more values than there are"), /* not from below a mark */
		BAD("Q", "takes more values than there are"),
		BAD("K\x01Q", "a persistent id that is no storage"),
		BAD("h\x07", "memo 7 was never filled"),
		BAD("Nq\x03h\x07", "memo 7 was never filled"), /* room for it, but nothing in it */
		BAD("(ctorch\nFloatStorage\n(X\x01\0\0\0s\x85Q", "a persistent id that is no storage"),
		BAD("(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0\x30NK\x04NtQ",
		    "a persistent id that is no storage"),
		BAD("j\xff\xff\xff\x7f", "memo 2147483647 was never filled"),
		BAD("Nr\xff\xff\xff\x7f", "memo 2147483647, at most"),
		BAD("N(NNu", "adds to None"),
		BAD("}(Nu", "a key without a value"),
		BAD("]N}s", "adds to a list"),
		BAD("}NNNs.", "adds to None"),
		BAD("}N.", "STOP with 0 bytes and 2 values left"),
		BAD("}.}", "STOP with 1 bytes"),
		BAD(".", "0 values left"),
		BAD("}(.", "STOP with 0 bytes"),
		BAD("ctorch._utils\n_rebuild_parameter\nN\x85R", "a parameter without its tensor"),
		BAD("ctorch._utils\n_rebuild_parameter\n)R", "a parameter without its tensor"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		n_code = 0;
		put(bad[i].code, bad[i].n);
		refused(pth(), bad[i].words);
	}
}

static void test_caps_of_the_machine(void **state)
{
	(void)state;
	for (int marks = 1000; marks <= 1001; marks++) {
		n_code = 0;
		for (int i = 0; i < marks; i++)
			OP("(");
		refused(pth(), marks > 1000 ? "nested more than 1000 deep" : "ends without STOP");
	}
	n_code = 0;
	memset(code, 'N', sizeof(code));
	n_code = sizeof(code);
	refused(pth(), "more than 1000000 values");
}

static void test_too_many_tensors(void **state)
{
	(void)state;
	begin();
	text("t");
	OP("q\x01Nq\x02");
	for (int i = 0; i < 100000; i++)
		OP("h\x01h\x02");
	OP("u.");
	refused(pth(), "100001 tensors, at most 100000");
}

/* ---- harm by shape ----------------------------------------------------------------------------------------- */

static void test_views_that_reach_out(void **state)
{
	const int64_t big = INT64_MAX;

	(void)state;
	one(4, 0, 1, SHAPE(5), SHAPE(1));
	refused(pth(), "tensor 't': it reaches to element 4 of a storage of 4");
	one(4, 1, 1, SHAPE(4), SHAPE(1));
	refused(pth(), "reaches to element 4");
	one(4, 0, 2, SHAPE(2, 2), SHAPE(3, 1));
	refused(pth(), "reaches to element 4");
	one(4, 4, 0, SHAPE(0), SHAPE(0));
	refused(pth(), "reaches to element 4");
	one(4, -1, 1, SHAPE(1), SHAPE(1));
	refused(pth(), "a negative size or offset");
	one(4, 3, 1, SHAPE(4), SHAPE(-1));
	refused(pth(), "no whole number from 0 up");
	one(4, 0, 1, SHAPE(-1), SHAPE(1));
	refused(pth(), "no whole number from 0 up");
	one(4, 0, 2, SHAPE(big, big), SHAPE(0, 0));
	refused(pth(), "reach over 2^63");
	one(4, 1, 1, SHAPE(3), SHAPE(big));
	refused(pth(), "reach over 2^63");
	one(4, big, 1, SHAPE(2), SHAPE(1));
	refused(pth(), "reach over 2^63");
	one(4, 0, 9, SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1), SHAPE(1, 1, 1, 1, 1, 1, 1, 1, 1));
	refused(pth(), "9 dimensions, at most 8");
	one(5, 0, 1, SHAPE(4), SHAPE(1));
	refused(pth(), "tensor 't': its storage 'w/data/0' has 16 bytes, not 5 of FloatStorage");
	one(big / 2, 0, 1, SHAPE(4), SHAPE(1));
	refused(pth(), "not 4611686018427387903 of FloatStorage");
}

/* Four floats that claim to be billions: a stride of 0, and many views of one storage. */
static void test_views_that_swell(void **state)
{
	(void)state;
	one(4, 0, 1, SHAPE((int64_t)1 << 40), SHAPE(0));
	refused(pth(), "tensor 't': views of over 1");
	begin();
	for (int i = 0; i < 1000; i++) {
		char name[12];

		snprintf(name, sizeof(name), "%d", i);
		text(name);
		tensor("FloatStorage", "0", 4, 0, 2, SHAPE(4, 10000), SHAPE(1, 0));
	}
	OP("u.");
	refused(pth(), "views of over ");
}

static void test_tensors_made_wrongly(void **state)
{
	(void)state;
	begin();
	text("t");
	OP("ctorch._utils\n_rebuild_tensor_v2\n)Ru.");
	refused(pth(), "tensor 't': not made of a storage");
	begin();
	text("t");
	OP("ctorch._utils\n_rebuild_tensor_v2\n(");
	storage("FloatStorage", "0", 4);
	number(0);
	OP("K\x04\x85)\x89}tRu.");
	refused(pth(), "not two tuples of one length");
	begin();
	text("t");
	tensor("FloatStorage", "../0", 4, 0, 1, SHAPE(4), SHAPE(1));
	OP("u.");
	refused(pth(), "its storage holds something else than letters and digits");
	begin();
	text("t");
	tensor("FloatStorage", "", 4, 0, 1, SHAPE(4), SHAPE(1));
	OP("u.");
	refused(pth(), "has 0 bytes; 1 to 64 expected");
	begin();
	text("t");
	tensor("FloatStorage", "1", 4, 0, 1, SHAPE(4), SHAPE(1));
	OP("u.");
	refused(pth(), "no member 'w/data/1' in the zip");
}

/* ---- harm by zip ------------------------------------------------------------------------------------------- */

static void test_zips_of_other_things(void **state)
{
	const struct member other = {"word/document.xml", "x", 1, 0, 0};
	const struct member deep = {"a/b/data.pkl", "x", 1, 0, 0};

	(void)state;
	refused(zip_of(&other, 1), "a zip without data.pkl, so not what torch.save writes");
	refused(zip_of(&deep, 1), "a zip without data.pkl");
	refused(scratch_write("w.pth", "PK\3\4", 4), "a zip that cannot be read");
	refused(scratch_write("w.pth", "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22), "a zip without data.pkl");
}

/* A megabyte of zeros that takes a kilobyte: whatever the ratio, nothing that is compressed is read. */
static void test_bomb(void **state)
{
	static const char zeros[1 << 20];
	struct member m[] = {{"w/data.pkl", code, 0, 0, 0}, {"w/data/0", zeros, sizeof(zeros), ZIP_CM_DEFLATE, 0}};
	struct member p = {"w/data.pkl", zeros, sizeof(zeros), ZIP_CM_DEFLATE, 0};

	(void)state;
	one(sizeof(zeros) / 4, 0, 1, SHAPE(4), SHAPE(1));
	m[0].n = n_code;
	refused(zip_of(m, 2), "member 'w/data/0' is compressed; torch.save does not");
	refused(zip_of(&p, 1), "member 'w/data.pkl' is compressed");
}

static void test_encrypted(void **state)
{
	struct member m[] = {{"w/data.pkl", code, 0, 0, 0}, {"w/data/0", four, sizeof(four), 0, ZIP_EM_TRAD_PKWARE}};
	struct member p = {"w/data.pkl", code, 0, 0, ZIP_EM_AES_256};

	(void)state;
	one(4, 0, 1, SHAPE(4), SHAPE(1));
	m[0].n = p.n = n_code;
	refused(zip_of(m, 2), "member 'w/data/0' is encrypted");
	refused(zip_of(&p, 1), "member 'w/data.pkl' is encrypted");
}

static void test_byte_order(void **state)
{
	struct member m[] = {{"w/data.pkl", code, 0, 0, 0},
			     {"w/data/0", four, sizeof(four), 0, 0},
			     {"w/byteorder", "little", 6, 0, 0}};

	(void)state;
	one(4, 0, 1, SHAPE(4), SHAPE(1));
	m[0].n = n_code;
	weights_free(open_ok(zip_of(m, 3)));
	m[2] = (struct member){"w/byteorder", "big", 3, 0, 0};
	refused(zip_of(m, 3), "its values are not little-endian");
}

static void test_huge_pickle(void **state)
{
	size_t n = (16 << 20) + 1;
	char *zeros = calloc(1, n);
	struct member m = {"w/data.pkl", zeros, n, 0, 0};

	(void)state;
	refused(zip_of(&m, 1), "data.pkl of 16777217 bytes, at most 16777216");
	free(zeros);
}

/* Cut anywhere, nothing is taken for weights; one bit flipped in the values, the checksum sees it. */
static void test_damage(void **state)
{
	static char bytes[1 << 17];
	FILE *f = fopen(FILES "kinds.pth", "rb");
	size_t n = fread(bytes, 1, sizeof(bytes), f);
	char *name;

	(void)state;
	fclose(f);
	for (size_t k = 4; k < n; k += k < n - 100 ? 41 : 1)
		refused(scratch_write("cut.pth", bytes, k), "");
	name = memmem(bytes, n, "kinds/data/0FB", 14);
	assert_non_null(name);
	name[12 + (unsigned char)name[-2]] ^= 1; /* behind the name and the padding whose length stands before it */
	refused(scratch_write("flip.pth", bytes, n), "member 'kinds/data/0' is damaged: CRC error");
}

/* Any one byte of a file changed: read or refused, but never more than that. */
static void test_every_byte_changed(void **state)
{
	static unsigned char bytes[1 << 14];
	FILE *f = fopen(FILES "kinds.pth", "rb");
	size_t n = fread(bytes, 1, sizeof(bytes), f);
	int opened = 0;

	(void)state;
	fclose(f);
	for (size_t i = 4; i < n; i++) {
		struct weights *w;
		struct err e = {0};
		unsigned char was = bytes[i];

		bytes[i] ^= (unsigned char)(1 << i % 8);
		if (!weights_open(&w, scratch_write("changed.pth", bytes, n), &e)) {
			opened++;
			weights_free(w);
		} else {
			assert_true(*e.msg && !strchr(e.msg, '\n'));
		}
		bytes[i] = was;
	}
	assert_in_range(opened, 1, n); /* padding, dates */
}

#define TEST(name) cmocka_unit_test_teardown(name, scratch_clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_backbone),
		TEST(test_every_kind_of_tensor),
		TEST(test_checkpoint),
		TEST(test_format_is_known_by_content),
		TEST(test_legacy_format),
		TEST(test_nested_under),
		TEST(test_not_a_state_dict),
		TEST(test_dict_in_itself),
		TEST(test_same_name_twice),
		TEST(test_nothing_is_called),
		TEST(test_opcodes_that_are_refused),
		TEST(test_a_machine_that_stumbles),
		TEST(test_caps_of_the_machine),
		TEST(test_too_many_tensors),
		TEST(test_views_that_reach_out),
		TEST(test_views_that_swell),
		TEST(test_tensors_made_wrongly),
		TEST(test_zips_of_other_things),
		TEST(test_bomb),
		TEST(test_encrypted),
		TEST(test_byte_order),
		TEST(test_huge_pickle),
		TEST(test_damage),
		TEST(test_every_byte_changed),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
