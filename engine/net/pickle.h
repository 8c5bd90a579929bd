/*
 * pickle.h - the tensors that a torch.save(state_dict) pickle lists, read without executing anything.
 *
 * A pickle is a program for a small machine. This one knows the opcodes that Python's pickler emits for a state dict in
 * protocol 2 (torch.save's) and nothing else; of the classes and functions that a pickle may name it knows OrderedDict,
 * PyTorch's storages and the two functions that rebuild tensors, and it only notes what they were given. Any other opcode
 * or name is refused and told. It does not recurse, so that depth costs no stack, and what it holds is bounded by the
 * pickle's length.
 */
#ifndef ENGINE_NET_PICKLE_H
#define ENGINE_NET_PICKLE_H

#include "engine/net/weights_file.h"

#define PICKLE_MAX     (16 << 20) /* bytes; a ResNet-152's has 150,000 */
#define PICKLE_KEY_MAX 64         /* bytes of a storage's name */

/* A tensor as the pickle describes it: a view of a storage, checked to lie within the storage's declared elements. */
struct pickle_view {
	const char *name, *key; /* its name in the dict; the storage's name in the zip */
	const struct dtype_row *type;
	int64_t storage_n; /* elements of the whole storage */
	int64_t offset;    /* elements */
	int rank;
	int64_t shape[TENSOR_MAX_RANK], stride[TENSOR_MAX_RANK];
	int64_t n;
};

struct pickle {
	int n;
	struct pickle_view *view; /* in the dict's order */
	const char *under;        /* key of the dict that was taken; NULL: the whole */
	char *text;               /* names and keys */
};
/* where: what messages begin with. *p starts empty ({0}); ERR_DATA or ERR_NOMEM leave it for pickle_release(). */
int pickle_read(struct pickle *p, const unsigned char *bytes, size_t n, const char *where, struct err *e);
void pickle_release(struct pickle *p);

#endif
