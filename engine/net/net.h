/*
 * net.h - a network as a list of nodes in order, with every tensor it will ever need placed in one block.
 *
 * A model (models.c) adds nodes; net_place() decides where everything lies (place.c); net_forward_train(),
 * net_backward() and net_evaluate() walk the list. Maps are NHWC. Parameters lie in one flat run of floats, buffers
 * (running statistics) behind them, gradients in a second run of the same offsets, so that an optimizer, a checkpoint
 * and a norm see flat arrays. Inside, convolution weights are [r][s][c][k] and a linear layer that reads a flattened
 * map has its columns in HWC order; net_get(), net_set() and files speak PyTorch's layout.
 */
#ifndef ENGINE_NET_NET_H
#define ENGINE_NET_NET_H

#include "engine/base/arena.h"
#include "engine/engine.h"
#include "engine/kernels/split.h"
#include "engine/net/weights.h"

#define NET_MAX_NODES   512
#define NET_MAX_TENSORS 1024
#define BN_EPS          1e-5f /* torch.nn.BatchNorm2d's defaults */
#define BN_MOMENTUM     0.1f

enum init {
	INIT_UNIFORM_FAN_IN, /* U(-1/sqrt(fan_in), 1/sqrt(fan_in)): torch.nn.Conv2d's and Linear's default, also of
				biases */
	INIT_NORMAL_FAN_OUT, /* kaiming_normal_(mode="fan_out", nonlinearity="relu"): torchvision's ResNets */
	INIT_ONE,
	INIT_ZERO, /* BatchNorm */
};

/* A named tensor: a parameter (trained or frozen) or a buffer (a running statistic: no gradient, no group). */
struct param {
	char name[96];
	int rank;
	int64_t shape[4]; /* PyTorch's */
	int64_t n;
	bool is_buffer;
	int flat_c, flat_hw; /* linear after a flattened map: its channels and pixels; else 0 */
	enum init init;
	int fan;         /* in or out, as init says */
	bool own;        /* of a node that this net runs: it lies in the net's own block ... */
	size_t at;       /* ... so many floats from net->w (and from net->g) */
	float *w;        /* its values, there or in the trunk */
	int group;       /* -1 for a buffer */
	bool trained;    /* net_set_trained() */
	double lr_scale; /* of its group's rate (groups_scale_layers()) */
};

enum op { OP_INPUT, OP_CONV, OP_BN, OP_RELU, OP_MAXPOOL, OP_GAP, OP_DROPOUT, OP_LINEAR };

struct node {
	enum op op;
	int in;      /* node that feeds it; -1 for the input */
	int add;     /* OP_BN: node of the residual that is added before the ReLU; else -1 */
	bool relu;   /* OP_BN, OP_MAXPOOL: of the node's result */
	int h, w, c; /* its output map */
	union {
		struct conv_shape conv;
		struct pool_shape pool;
	};
	int weight, bias; /* params: conv, linear, BN (gamma, beta); -1 if none */
	int mean, var;    /* OP_BN: buffers */
	int consumers;
	int folded_into; /* OP_CONV: the BN node that does its work in evaluation; else -1 */
	/* decided by place.c */
	bool needs_grad;            /* something trained lies at or below it */
	bool add_to_in, add_to_add; /* a later node has already written that gradient: add to it */
	bool gates, gated;          /* OP_MAXPOOL: does ReLU's backward work, its own or that of its input (gated) */
	bool pools, pooled;         /* OP_MAXPOOL: does its input's work, which has no map */
	bool used_up;      /* OP_CONV below such a BatchNorm: its gradient goes into its weights' as it is made */
	float *out, *grad; /* training: [batch][h][w][c]; grad NULL if not needed; neither if pooled */
	float *grad_at;    /* where grad lies when it is needed */
	float *back_out;   /* where the backward pass finds the map: out, or where it is computed again */
	int again;         /* OP_BN: node at whose backward turn that is done; -1: never */
	float *eval_out;   /* evaluation: [eval_batch][h][w][c]; NULL where folded into the next node */
	uint8_t *mask, *eval_mask;      /* OP_DROPOUT: kept elements; OP_MAXPOOL: where the maximum was */
	float *saved_mean, *saved_rstd; /* OP_BN: the batch's, for the backward pass */
};

/* For a profile: CPU seconds in each node's forward and backward passes, added up. */
struct net_times {
	double node[NET_MAX_NODES][2];
};

/* Most nets fill little of their 300 kB: what is behind the last node and tensor is neither cleared nor copied. */
struct net {
	int batch, eval_batch; /* most images a call */
	int n_nodes, n_params;
	int classes;
	int first, end;    /* nodes first .. end-1 are its own to run, see net_place() */
	struct net *trunk; /* runs the nodes below `first`; NULL: there are none */
	bool filled;       /* its maps come from outside: only those that other nets read have a place */
	int first_trained; /* lowest node with a trained parameter: the backward pass ends there */
	float dropout;     /* probability; no dropout node exists where it is 0 */
	bool freeze_bn;
	size_t n_weights;   /* floats in w: own parameters, then own buffers, each 64-byte aligned (gaps are zero) */
	size_t n_trainable; /* floats of w before the first buffer; g has as many */
	float *w, *g;
	struct crew crew;        /* who runs it: the team is lent (net_set_team()) */
	struct net_times *times; /* NULL: no profile */
	struct node node[NET_MAX_NODES];
	struct param param[NET_MAX_TENSORS];
};

/* What dropout needs to know of a batch, so that a sample's mask does not depend on its neighbours. */
struct batch_id {
	uint64_t seed;
	uint32_t epoch;
	const uint32_t *sample; /* [n] */
};

/* --- building (models.c) ------------------------------------------------------------------------------------ */

/* Fills *net with the nodes and tensors of a model for c x h x w images; nothing is placed yet. ERR_CONFIG names what
 * does not fit (a map that would vanish, in_channels that disagree). */
int net_build(struct net *net, const struct model_spec *model, int c, int h, int w, int classes, float dropout,
	      struct err *e);
/* Makes *to what *from is; what is placed has two owners then. */
void net_copy(struct net *to, const struct net *from);
/* Decides how each convolution is computed; before it, all are direct. */
void net_choose_conv(struct net *net, enum conv_choice choice);
/* Marks what is trained: tensors of groups with trained[g]. Decides needs_grad and the end of the backward pass. */
void net_set_trained(struct net *net, const bool *trained);

/* --- placing (place.c) -------------------------------------------------------------------------------------- */

/*
 * Takes everything that nodes first .. end-1 need from the arena, but the workspaces; walk it twice (arena.h). Also picks
 * eval_batch, which is that of the whole net. The maps that nodes from `end` on read stand until the next pass.
 */
void net_place(struct net *net, struct arena *a, int batch, int first, int end);
/* Workspaces for as many threads as will ever work at the same time: behind all else, as no thread touches more than its own. */
void net_place_crew(struct net *net, struct arena *a, int threads);
/* Once placed: other groups are trained from now on. None but those that net_set_trained() named before net_place(). */
void net_change_trained(struct net *net, const bool *trained);

/* --- tensors (params.c) ------------------------------------------------------------------------------------- */

int net_find(const struct net *net, const char *name); /* index of a tensor, or -1 */
/* One tensor out of / into the net in PyTorch's layout (n floats; -1 if there is no such tensor of n elements). */
int net_get(const struct net *net, const char *name, float *out, int64_t n);
int net_set(struct net *net, const char *name, const float *in, int64_t n);
int net_get_grad(const struct net *net, const char *name, float *out, int64_t n);
/* Start values of every tensor from the seed (PyTorch's or torchvision's distributions). */
void net_init_random(struct net *net, uint64_t seed);
/* Are w's tensors the net's, but for those below `skip` (a module's name, or NULL)? Missing, unexpected and mis-shaped
 * ones are ERR_DATA and named. The net need not be placed. */
int net_check(const struct net *net, const struct weights *w, const char *skip, struct err *e);
/* Checks, then loads them all but those below `skip`; on failure the net is as it was. */
int net_load(struct net *net, const struct weights *w, const char *skip, struct err *e);
int net_save(const struct net *net, const char *path, struct err *e);

/* --- running (net.c) ---------------------------------------------------------------------------------------- */

/* The threads that run it from now on, between two calls; NULL: the caller's alone. Same bits. */
void net_set_team(struct net *net, struct team *team);
/* Where the caller puts a batch of n images before a call. */
float *net_input(struct net *net);
float *net_eval_input(struct net *net);
/* Train mode; returns the logits [n][classes]. Moves running statistics. */
const float *net_forward_train(struct net *net, int n, const struct batch_id *id);
/* Where the caller puts the gradient of the logits before net_backward(): [n][classes]. */
float *net_logits_grad(struct net *net);
/* From there to the gradients of all trained tensors. */
void net_backward(struct net *net, int n);
/* Eval mode: first net_fold(), which writes BatchNorm-folded weights over the gradients; then any number of batches. */
void net_fold(struct net *net);
const float *net_forward_eval(struct net *net, int n);

/* Parts of the two forward passes: nodes first .. end-1, which read the maps of those before them. */
void net_forward_nodes(struct net *net, int first, int end, int n, const struct batch_id *id);
void net_forward_eval_nodes(struct net *net, int first, int end, int n);
float *net_logits_out(struct net *net);      /* of the last net_forward_nodes() to the end */
float *net_eval_logits_out(struct net *net); /* of the last net_forward_eval_nodes() to the end */

/* --- sharing (share.c) -------------------------------------------------------------------------------------- */

/*
 * A net may be placed in two: a trunk, nodes 0 .. end-1, and any number of nets that run the nodes from `end` on, each
 * with weights of its own, on the trunk's maps. net_trunk_end() is the most that a trunk may run for this net: layers
 * that no group trains (as net_set_trained() was told), without dropout and the last layer. At least 1: the input.
 */
int net_trunk_end(const struct net *net);
/* Both placed: makes the trunk's maps and tensors those of the nodes below net->first. */
void net_attach(struct net *net, struct net *trunk);
/* Does a node that this net does not run read the map of its node i? */
bool net_read_outside(const struct net *net, int i);
/* Multiply-adds of node i's forward pass, an image. */
double net_node_macs(const struct net *net, int i);

/* For tests: logits of images given as [n][h][w][c]; in train mode n <= batch and no dropout. */
void net_logits(struct net *net, float *logits, const float *x, int n);
void net_logits_train(struct net *net, float *logits, const float *x, int n);

#endif
