/* models.c - the model table: nodes and tensor names of each architecture (see net.h, model.def). */
#include "engine/net/net.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REAL(name, def, min, max, help) \
	{#name, FIELD_REAL, offsetof(struct model_spec, name), {def, 0}, min, max, 0, NULL, help},
#define INT(name, def, min, max, help) \
	{#name, FIELD_INT, offsetof(struct model_spec, name), {def, 0}, min, max, 0, NULL, help},
#define BOOL(name, def, help) {#name, FIELD_BOOL, offsetof(struct model_spec, name), {def, 0}, 0, 1, 0, NULL, help},
#define ENUM(name, def, names, help) \
	{#name, FIELD_ENUM, offsetof(struct model_spec, name), {def, 0}, 0, 1000, 0, names, help},
const struct field model_fields[] = {
#include "engine/net/model.def"
};
const int n_model_fields = sizeof(model_fields) / sizeof(model_fields[0]);

/* The order of model.def's words. */
enum arch {
	ARCH_RESNET18,
	ARCH_RESNET34,
	ARCH_RESNET50,
	ARCH_RESNET101,
	ARCH_RESNET152,
	ARCH_RESNET_SLIM,
	ARCH_CNN,
	ARCH_MLP
};

/* A net under construction: the first error stays, what follows it does nothing. */
struct builder {
	struct net *net;
	struct err *e;
	int rc;
	enum init conv_init;
};

static void fail(struct builder *b, const char *what, const char *name)
{
	if (!b->rc)
		b->rc = err_set(b->e, ERR_CONFIG, "model: %s at %s", what, name);
}

/* ---- tensors ---- */

static int add_param(struct builder *b, const char *module, const char *leaf, int rank, const int64_t *shape)
{
	struct net *net = b->net;
	struct param *p = &net->param[net->n_params];

	if (b->rc)
		return 0;
	if (net->n_params == NET_MAX_TENSORS) {
		fail(b, "too many tensors", module);
		return 0;
	}
	*p = (struct param){.rank = rank, .n = 1, .group = -1};
	snprintf(p->name, sizeof(p->name), "%s.%s", module, leaf);
	for (int i = 0; i < rank; i++) {
		p->shape[i] = shape[i];
		p->n *= shape[i];
	}
	return net->n_params++;
}

static int add_vector(struct builder *b, const char *module, const char *leaf, int n, enum init init, bool is_buffer)
{
	int i = add_param(b, module, leaf, 1, (const int64_t[]){n});

	b->net->param[i].init = init;
	b->net->param[i].is_buffer = is_buffer;
	return i;
}

static int add_bias(struct builder *b, const char *module, int n, int fan_in)
{
	int i = add_vector(b, module, "bias", n, INIT_UNIFORM_FAN_IN, false);

	b->net->param[i].fan = fan_in;
	return i;
}

/* ---- nodes ---- */

static int add_node(struct builder *b, struct node node, const char *name)
{
	struct net *net = b->net;

	if (b->rc)
		return 0;
	if (node.h < 1 || node.w < 1)
		fail(b, "the image is too small: no pixels are left", name);
	else if (net->n_nodes == NET_MAX_NODES)
		fail(b, "too many layers", name);
	if (b->rc)
		return 0;
	if (node.in >= 0)
		net->node[node.in].consumers++;
	if (node.add >= 0)
		net->node[node.add].consumers++;
	net->node[net->n_nodes] = node;
	return net->n_nodes++;
}

static struct node plain(const struct net *net, enum op op, int in)
{
	const struct node *x = &net->node[in];

	return (struct node){.op = op,
			     .in = in,
			     .add = -1,
			     .h = x->h,
			     .w = x->w,
			     .c = x->c,
			     .weight = -1,
			     .bias = -1,
			     .mean = -1,
			     .var = -1,
			     .folded_into = -1};
}

static int out_size(int in, int kernel, int stride, int pad)
{
	return in + 2 * pad < kernel ? 0 : (in + 2 * pad - kernel) / stride + 1;
}

static int conv(struct builder *b, int in, const char *name, int k, int kernel, int stride, int pad, bool with_bias)
{
	const struct node *x = &b->net->node[in];
	struct node n = plain(b->net, OP_CONV, in);
	int fan_in = x->c * kernel * kernel;

	n.h = out_size(x->h, kernel, stride, pad);
	n.w = out_size(x->w, kernel, stride, pad);
	n.c = k;
	n.conv = (struct conv_shape){.h = x->h,
				     .w = x->w,
				     .c = x->c,
				     .k = k,
				     .r = kernel,
				     .s = kernel,
				     .stride = stride,
				     .pad = pad,
				     .p = n.h,
				     .q = n.w};
	n.weight = add_param(b, name, "weight", 4, (const int64_t[]){k, x->c, kernel, kernel});
	b->net->param[n.weight].init = b->conv_init;
	b->net->param[n.weight].fan = b->conv_init == INIT_NORMAL_FAN_OUT ? k * kernel * kernel : fan_in;
	if (with_bias)
		n.bias = add_bias(b, name, k, fan_in);
	return add_node(b, n, name);
}

static int batch_norm(struct builder *b, int in, const char *name, int add, bool relu)
{
	struct node n = plain(b->net, OP_BN, in);

	n.add = add;
	n.relu = relu;
	n.weight = add_vector(b, name, "weight", n.c, INIT_ONE, false);
	n.bias = add_vector(b, name, "bias", n.c, INIT_ZERO, false);
	n.mean = add_vector(b, name, "running_mean", n.c, INIT_ZERO, true);
	n.var = add_vector(b, name, "running_var", n.c, INIT_ONE, true);
	if (!b->rc && b->net->node[in].op == OP_CONV)
		b->net->node[in].folded_into = b->net->n_nodes;
	return add_node(b, n, name);
}

static int max_pool(struct builder *b, int in, int kernel, int stride, int pad, bool relu)
{
	const struct node *x = &b->net->node[in];
	struct node n = plain(b->net, OP_MAXPOOL, in);

	n.relu = relu;
	n.h = out_size(x->h, kernel, stride, pad);
	n.w = out_size(x->w, kernel, stride, pad);
	n.pool = (struct pool_shape){
		.h = x->h, .w = x->w, .c = x->c, .r = kernel, .stride = stride, .pad = pad, .p = n.h, .q = n.w};
	return add_node(b, n, "max pool");
}

static int relu(struct builder *b, int in)
{
	return add_node(b, plain(b->net, OP_RELU, in), "relu");
}

static int dropout(struct builder *b, int in)
{
	if (b->net->dropout == 0)
		return in;
	return add_node(b, plain(b->net, OP_DROPOUT, in), "dropout");
}

static int global_pool(struct builder *b, int in)
{
	struct node n = plain(b->net, OP_GAP, in);

	n.h = n.w = 1;
	return add_node(b, n, "average pool");
}

/* Reads its input as one row of h*w*c values; the tensor's columns are PyTorch's c*h*w (param.flat_*). */
static int linear(struct builder *b, int in, const char *name, int outputs)
{
	const struct node *x = &b->net->node[in];
	struct node n = plain(b->net, OP_LINEAR, in);
	int64_t inputs = (int64_t)x->h * x->w * x->c;
	struct param *p;

	n.h = n.w = 1;
	n.c = outputs;
	n.weight = add_param(b, name, "weight", 2, (const int64_t[]){outputs, inputs});
	p = &b->net->param[n.weight];
	p->init = INIT_UNIFORM_FAN_IN;
	p->fan = (int)inputs;
	if (x->h * x->w > 1) {
		p->flat_c = x->c;
		p->flat_hw = x->h * x->w;
	}
	n.bias = add_bias(b, name, outputs, (int)inputs);
	return add_node(b, n, name);
}

/* ---- architectures ---- */

__attribute__((format(printf, 2, 3))) static const char *name_of(char out[64], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, 64, fmt, ap);
	va_end(ap);
	return out;
}

/* The residual that bypasses a block: its input, or that fitted to the block's output by a 1x1 convolution. */
static int shortcut(struct builder *b, int in, int layer, int block, int k, int stride)
{
	char name[64];
	int down;

	if (stride == 1 && b->net->node[in].c == k)
		return in;
	down = conv(b, in, name_of(name, "layer%d.%d.downsample.0", layer, block), k, 1, stride, 0, false);
	return batch_norm(b, down, name_of(name, "layer%d.%d.downsample.1", layer, block), -1, false);
}

/* A residual block whose channels come from `width`. */
typedef int block_fn(struct builder *b, int in, int layer, int block, int width, int stride);

/* torchvision.models.resnet.BasicBlock */
static int basic_block(struct builder *b, int in, int layer, int block, int width, int stride)
{
	char name[64];
	int x = conv(b, in, name_of(name, "layer%d.%d.conv1", layer, block), width, 3, stride, 1, false);

	x = batch_norm(b, x, name_of(name, "layer%d.%d.bn1", layer, block), -1, true);
	x = conv(b, x, name_of(name, "layer%d.%d.conv2", layer, block), width, 3, 1, 1, false);
	in = shortcut(b, in, layer, block, width, stride);
	return batch_norm(b, x, name_of(name, "layer%d.%d.bn2", layer, block), in, true);
}

/* torchvision.models.resnet.Bottleneck: the stride is the 3x3 convolution's ("ResNet v1.5") */
static int bottleneck(struct builder *b, int in, int layer, int block, int width, int stride)
{
	char name[64];
	int x = conv(b, in, name_of(name, "layer%d.%d.conv1", layer, block), width, 1, 1, 0, false);

	x = batch_norm(b, x, name_of(name, "layer%d.%d.bn1", layer, block), -1, true);
	x = conv(b, x, name_of(name, "layer%d.%d.conv2", layer, block), width, 3, stride, 1, false);
	x = batch_norm(b, x, name_of(name, "layer%d.%d.bn2", layer, block), -1, true);
	x = conv(b, x, name_of(name, "layer%d.%d.conv3", layer, block), 4 * width, 1, 1, 0, false);
	in = shortcut(b, in, layer, block, 4 * width, stride);
	return batch_norm(b, x, name_of(name, "layer%d.%d.bn3", layer, block), in, true);
}

static int stages(struct builder *b, int x, block_fn *block, int n_stages, const int *blocks, int width)
{
	for (int s = 0; s < n_stages; s++)
		for (int i = 0; i < blocks[s]; i++)
			x = block(b, x, s + 1, i, width << s, s > 0 && i == 0 ? 2 : 1);
	return x;
}

static void resnet_head(struct builder *b, int x, int classes)
{
	x = global_pool(b, x);
	x = dropout(b, x);
	linear(b, x, "fc", classes);
}

/* torchvision.models.resnet18 ... resnet152 */
static void resnet(struct builder *b, block_fn *block, const int blocks[4], int classes)
{
	int x;

	b->conv_init = INIT_NORMAL_FAN_OUT;
	x = conv(b, 0, "conv1", 64, 7, 2, 3, false);
	x = batch_norm(b, x, "bn1", -1, true);
	x = max_pool(b, x, 3, 2, 1, false);
	x = stages(b, x, block, 4, blocks, 64);
	resnet_head(b, x, classes);
}

static void resnet_slim(struct builder *b, const struct model_spec *m, int classes)
{
	int blocks[8];
	int x;

	for (int s = 0; s < m->stages; s++)
		blocks[s] = m->blocks;
	x = conv(b, 0, "conv1", m->width, 3, m->stem_stride, 1, false);
	x = batch_norm(b, x, "bn1", -1, true);
	x = stages(b, x, basic_block, m->stages, blocks, m->width);
	resnet_head(b, x, classes);
}

static void cnn(struct builder *b, const struct model_spec *m, int classes)
{
	int x = conv(b, 0, "conv1", 32, 3, 1, 1, true);

	/* The ReLU after the pool: the same values and gradients, to the bit, of a quarter of the pixels. */
	x = max_pool(b, x, 2, 2, 0, true);
	x = conv(b, x, "conv2", 64, 3, 1, 1, true);
	x = max_pool(b, x, 2, 2, 0, true);
	x = relu(b, linear(b, x, "fc1", m->hidden ? m->hidden : 128));
	linear(b, dropout(b, x), "fc2", classes);
}

static void mlp(struct builder *b, const struct model_spec *m, int classes)
{
	int x = relu(b, linear(b, 0, "fc1", m->hidden ? m->hidden : 256));

	linear(b, dropout(b, x), "fc2", classes);
}

const char *model_head(int arch)
{
	return arch == ARCH_CNN || arch == ARCH_MLP ? "fc2" : "fc";
}

int net_build(struct net *net, const struct model_spec *m, int c, int h, int w, int classes, float dropout_p,
	      struct err *e)
{
	struct builder b = {.net = net, .e = e, .conv_init = INIT_UNIFORM_FAN_IN};

	memset(net, 0, offsetof(struct net, node));
	net->classes = classes;
	net->dropout = dropout_p;
	if (m->in_channels && m->in_channels != c)
		return err_set(e, ERR_DATA, "model: in_channels is %d, but the images have %d", m->in_channels, c);
	add_node(&b,
		 (struct node){.op = OP_INPUT,
			       .in = -1,
			       .add = -1,
			       .h = h,
			       .w = w,
			       .c = c,
			       .weight = -1,
			       .bias = -1,
			       .folded_into = -1},
		 "the input");
	switch ((enum arch)m->arch) {
	case ARCH_RESNET18:
		resnet(&b, basic_block, (const int[]){2, 2, 2, 2}, classes);
		break;
	case ARCH_RESNET34:
		resnet(&b, basic_block, (const int[]){3, 4, 6, 3}, classes);
		break;
	case ARCH_RESNET50:
		resnet(&b, bottleneck, (const int[]){3, 4, 6, 3}, classes);
		break;
	case ARCH_RESNET101:
		resnet(&b, bottleneck, (const int[]){3, 4, 23, 3}, classes);
		break;
	case ARCH_RESNET152:
		resnet(&b, bottleneck, (const int[]){3, 8, 36, 3}, classes);
		break;
	case ARCH_RESNET_SLIM:
		resnet_slim(&b, m, classes);
		break;
	case ARCH_CNN:
		cnn(&b, m, classes);
		break;
	case ARCH_MLP:
		mlp(&b, m, classes);
		break;
	}
	return b.rc;
}

void net_copy(struct net *to, const struct net *from)
{
	memcpy(to, from, offsetof(struct net, node));
	memcpy(to->node, from->node, (size_t)from->n_nodes * sizeof(*to->node));
	memcpy(to->param, from->param, (size_t)from->n_params * sizeof(*to->param));
}

void net_choose_conv(struct net *net, enum conv_choice choice)
{
	for (int i = 0; i < net->n_nodes; i++) {
		struct conv_shape *cs = &net->node[i].conv;

		if (net->node[i].op != OP_CONV)
			continue;
		if (choice == CONV_CHOICE_AUTO)
			cs->algo = conv_faster(cs);
		else
			cs->algo =
				choice == CONV_CHOICE_WINOGRAD && conv_winograd_fits(cs) ? CONV_WINOGRAD : CONV_DIRECT;
	}
}

void net_set_trained(struct net *net, const bool *trained)
{
	net->first_trained = net->n_nodes;
	for (int i = 0; i < net->n_params; i++)
		net->param[i].trained = net->param[i].group >= 0 && trained[net->param[i].group];
	for (int i = 0; i < net->n_nodes; i++) {
		struct node *n = &net->node[i];
		bool own = (n->weight >= 0 && net->param[n->weight].trained) ||
			   (n->bias >= 0 && net->param[n->bias].trained);

		n->needs_grad = own || (n->in >= 0 && net->node[n->in].needs_grad) ||
				(n->add >= 0 && net->node[n->add].needs_grad);
		if (own && net->first_trained == net->n_nodes)
			net->first_trained = i;
	}
}
