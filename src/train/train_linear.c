/* Products with weights and adapters, forward and backward. */
#include "train/train_state.h"

enum { FLOWS_MOST = 3, PRODUCTS_MOST = 4 * FLOWS_MOST };

typedef struct product_list {
    smg_gemm items[PRODUCTS_MOST];
    int count;
} product_list;

/* Rows of floats, one behind the other. */
static smg_operand rows_of(const float *data, int64_t columns)
{
    return (smg_operand){.data = data, .outer_step = (size_t)columns, .depth_step = 1};
}

/* Their columns. */
static smg_operand columns_of(const float *data, int64_t columns)
{
    return (smg_operand){.data = data, .outer_step = 1, .depth_step = (size_t)columns};
}

static smg_operand weights_of(const smg_linear *linear, bool transposed)
{
    if (linear->base != NULL)
        return (smg_operand){.matrix = linear->base, .transposed = transposed};
    return transposed ? columns_of(linear->weight, linear->columns)
                      : rows_of(linear->weight, linear->columns);
}

static void add(product_list *to, smg_operand a, smg_operand b, int64_t m, int64_t n, int64_t k, float scale,
                bool accumulate, float *out)
{
    to->items[to->count++] = (smg_gemm){.a = a,
                                        .b = b,
                                        .m = m,
                                        .n = n,
                                        .k = k,
                                        .scale = scale,
                                        .accumulate = accumulate,
                                        .out = out,
                                        .out_stride = (size_t)n};
}

static smidge_status carry_out(const smg_train_run *run, product_list *products)
{
    const smg_trainee *trainee = run->trainee;
    if (products->count == 0)
        return SMIDGE_OK;
    smidge_status status = smg_gemm_run(&trainee->model->kernels, trainee->pool, trainee->gemm_space,
                                        trainee->options.bf16, products->items, products->count, run->stop);
    products->count = 0;
    return status;
}

static float scale_of(const smg_trainee *trainee)
{
    return trainee->options.alpha / (float)trainee->options.rank;
}

/* A x of each flow that has an adapter. */
static void add_low(const smg_train_run *run, product_list *to, const smg_flow *flows, int flow_count,
                    int64_t count)
{
    const int32_t rank = run->trainee->options.rank;
    for (int i = 0; i < flow_count; i++) {
        const smg_linear *linear = flows[i].linear;
        if (linear->a != NULL)
            add(to, rows_of(flows[i].x, linear->columns), rows_of(linear->a, linear->columns), count, rank,
                linear->columns, 1.0F, false, run->trainee->shared.low[i]);
    }
}

smidge_status smg_train_linear_forward(const smg_train_run *run, const smg_flow *flows, int flow_count,
                                       int64_t count)
{
    const smg_trainee *trainee = run->trainee;
    const int32_t rank = trainee->options.rank;
    product_list products = {.count = 0};
    for (int i = 0; i < flow_count; i++) {
        const smg_linear *linear = flows[i].linear;
        add(&products, rows_of(flows[i].x, linear->columns), weights_of(linear, false), count, linear->rows,
            linear->columns, 1.0F, false, flows[i].y);
    }
    add_low(run, &products, flows, flow_count, count);
    SMG_TRY(carry_out(run, &products));
    for (int i = 0; i < flow_count; i++) {
        const smg_linear *linear = flows[i].linear;
        if (linear->b != NULL)
            add(&products, rows_of(trainee->shared.low[i], rank), rows_of(linear->b, rank), count,
                linear->rows, rank, scale_of(trainee), true, flows[i].y);
    }
    SMG_TRY(carry_out(run, &products));
    for (int i = 0; i < flow_count; i++)
        if (flows[i].linear->bias != NULL)
            SMG_TRY(smg_train_add(run, flows[i].y, flows[i].linear->bias, true, count, flows[i].linear->rows,
                                  flows[i].y));
    return SMIDGE_OK;
}

/* The gradients of what learns in the flows. */
static smidge_status backward_weights(const smg_train_run *run, const smg_flow *flows, int flow_count,
                                      int64_t count)
{
    const smg_train_shared *shared = &run->trainee->shared;
    const int32_t rank = run->trainee->options.rank;
    const float scale = rank > 0 ? scale_of(run->trainee) : 1.0F;
    product_list products = {.count = 0};
    add_low(run, &products, flows, flow_count, count);
    for (int i = 0; i < flow_count; i++) {
        const smg_linear *linear = flows[i].linear;
        if (linear->gradient != NULL)
            add(&products, columns_of(flows[i].y, linear->rows), columns_of(flows[i].x, linear->columns),
                linear->rows, linear->columns, count, 1.0F, true, linear->gradient);
        if (linear->b != NULL)
            add(&products, rows_of(flows[i].y, linear->rows), columns_of(linear->b, rank), count, rank,
                linear->rows, scale, false, shared->d_low[i]);
    }
    SMG_TRY(carry_out(run, &products));
    /* Parts of a fused matrix share A and its gradient: one after the other. */
    for (int i = 0; i < flow_count; i++) {
        const smg_linear *linear = flows[i].linear;
        if (linear->a != NULL) {
            add(&products, columns_of(flows[i].y, linear->rows), columns_of(shared->low[i], rank),
                linear->rows, rank, count, scale, true, linear->b_gradient);
            add(&products, columns_of(shared->d_low[i], rank), columns_of(flows[i].x, linear->columns), rank,
                linear->columns, count, 1.0F, true, linear->a_gradient);
            SMG_TRY(carry_out(run, &products));
        }
        if (linear->bias_gradient != NULL)
            SMG_TRY(smg_train_bias_back(run, flows[i].y, count, linear->rows, linear->bias_gradient));
    }
    return SMIDGE_OK;
}

smidge_status smg_train_linear_backward(const smg_train_run *run, const smg_flow *flows, int flow_count,
                                        int64_t count)
{
    const int32_t rank = run->trainee->options.rank;
    product_list products = {.count = 0};
    SMG_TRY(backward_weights(run, flows, flow_count, count));
    for (int i = 0; i < flow_count; i++) {
        const smg_linear *linear = flows[i].linear;
        if (flows[i].dx == NULL)
            continue;
        add(&products, rows_of(flows[i].y, linear->rows), weights_of(linear, true), count, linear->columns,
            linear->rows, 1.0F, flows[i].add, flows[i].dx);
        SMG_TRY(carry_out(run, &products));
        if (linear->a == NULL)
            continue;
        add(&products, rows_of(run->trainee->shared.d_low[i], rank), columns_of(linear->a, linear->columns),
            count, linear->columns, rank, 1.0F, true, flows[i].dx);
        SMG_TRY(carry_out(run, &products));
    }
    return SMIDGE_OK;
}
