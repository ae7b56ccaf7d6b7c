// What Rust needs of llama.cpp beyond its C API: C++ exceptions stopped before they reach Rust, and facts that the
// library offers to C++ alone. Of the source tree's internal headers, buffers.cpp uses llama-ext.h; work.cpp, cell_work.cpp,
// profile.cpp, memory.cpp, facts.cpp, grammar.cpp and probe.cpp use more.
#pragma once

#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

// Text of the exception that the last llama_sys_* call on this thread stopped; "" if it stopped none.
const char * llama_sys_last_exception(void);

// Makes `exception` the text that llama_sys_last_exception returns.
void llama_sys_remember_exception(const char * exception);

// Who made the call of llama.cpp that a thread is in. A program may use llama.cpp besides this library.
enum llama_sys_caller {
    LLAMA_SYS_CALLER_US      = 0, // this library, on this thread
    LLAMA_SYS_CALLER_OTHERS  = 1, // others: no thread is in a call of this library
    LLAMA_SYS_CALLER_UNKNOWN = 2, // another thread is in one, which this thread may be computing for
};
typedef enum llama_sys_caller (*llama_sys_caller_of_thread)(void);

// From now on a failed assertion (ggml_abort) inside a llama_sys_* call is an exception like any other, in place of
// the end of the process, wherever shim.cpp says that this is sound. What the call worked on is then unusable: leak it.
// All other assertions go on to the callback that was set before. Call it again if others may have set theirs.
void llama_sys_throw_on_abort(llama_sys_caller_of_thread caller);

// Whether this is the callback that prints to standard error, which nobody chose.
bool llama_sys_log_is_default(ggml_log_callback callback);

// Each does what the function of the same name without `_sys` does. After an exception they return what that
// function returns on failure (NULL, 0, false, INT32_MIN or -1000) and llama_sys_last_exception tells it.
struct llama_model   * llama_sys_model_load_from_file(const char * path, struct llama_model_params params);
// A model file that exists nowhere: its bytes come from `read`, which is told where by `seek`.
struct llama_sys_stream {
    void * data; // given back to each function
    // Puts at most `n` bytes into `out`; returns how many, 0 at the end, -1 if that fails.
    int64_t (*read)(void * data, char * out, size_t n);
    // Moves to `offset` from the start (`whence` 0), from where it is (1) or from the end (2); returns where it is then,
    // from the start, or -1.
    int64_t (*seek)(void * data, int64_t offset, int whence);
    // Called once if the stream was opened.
    void (*close)(void * data);
};
// Whether this system's C library can read such a stream.
bool llama_sys_has_streams(void);
// llama_model_load_from_file_ptr of a stream, which is read through `buffer` of `size` bytes and closed before this returns.
// There is nothing to map: `params` must say load mode none or mlock, and lazy mode off.
struct llama_model * llama_sys_model_load_from_stream(struct llama_sys_stream * stream, char * buffer, size_t size,
                                                      struct llama_model_params params);
struct llama_context * llama_sys_init_from_model(struct llama_model * model, struct llama_context_params params);
struct llama_adapter_lora * llama_sys_adapter_lora_init(struct llama_model * model, const char * path);
bool        llama_sys_set_adapters_lora(struct llama_context * ctx, struct llama_adapter_lora ** adapters, size_t n,
                                        float * scales); // false after an exception
int32_t     llama_sys_decode(struct llama_context * ctx, struct llama_batch batch);
int32_t     llama_sys_encode(struct llama_context * ctx, struct llama_batch batch);
bool        llama_sys_synchronize(struct llama_context * ctx); // false after an exception
float     * llama_sys_get_logits_ith(struct llama_context * ctx, int32_t i);
size_t      llama_sys_state_seq_get_size_ext(struct llama_context * ctx, llama_seq_id seq, llama_state_seq_flags flags);
size_t      llama_sys_state_seq_get_data_ext(struct llama_context * ctx, uint8_t * dst, size_t size, llama_seq_id seq,
                                             llama_state_seq_flags flags);
size_t      llama_sys_state_seq_set_data_ext(struct llama_context * ctx, const uint8_t * src, size_t size,
                                             llama_seq_id seq, llama_state_seq_flags flags);
bool        llama_sys_memory_seq_rm(llama_memory_t mem, llama_seq_id seq, llama_pos p0, llama_pos p1);
bool        llama_sys_memory_seq_cp(llama_memory_t mem, llama_seq_id src, llama_seq_id dst, llama_pos p0, llama_pos p1);
// Makes the copies of sequences that a memory of several streams puts off until the next decode; `a` and `b` are two
// sequences that are copies of each other, and `embeddings` says whether the context computes embeddings. False if they
// could not be made: the memory then says of them what is not true.
bool        llama_sys_memory_apply(struct llama_context * ctx, llama_seq_id a, llama_seq_id b, bool embeddings);
bool        llama_sys_memory_seq_add(llama_memory_t mem, llama_seq_id seq, llama_pos p0, llama_pos p1, llama_pos delta);
// Whether positions of this context's memory can be moved. llama_memory_can_shift says so of some whose keys it then
// cannot rotate, and ends the process. False after an exception too.
bool        llama_sys_memory_can_shift(const struct llama_context * ctx);
// Rotates keys to the positions that llama_sys_memory_seq_add gave them, which otherwise the next decode does. False if
// nothing was to be done, and after an exception.
bool        llama_sys_memory_shift(struct llama_context * ctx);
int32_t     llama_sys_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len,
                               llama_token * tokens, int32_t n_tokens_max, bool add_special, bool parse_special);
int32_t     llama_sys_detokenize(const struct llama_vocab * vocab, const llama_token * tokens, int32_t n_tokens,
                                 char * text, int32_t text_len_max, bool remove_special, bool unparse_special);
int32_t     llama_sys_token_to_piece(const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length,
                                     int32_t lstrip, bool special);
int32_t     llama_sys_chat_apply_template(const char * tmpl, const struct llama_chat_message * chat, size_t n_msg,
                                          bool add_ass, char * buf, int32_t length);
// Whether llama.cpp can follow this grammar for ever; if not, the exception says why. `depth` becomes the number of its
// rules that begin with one another, which llama.cpp calls itself for.
bool llama_sys_grammar_check(const struct llama_vocab * vocab, const char * grammar, const char * root, uint32_t * depth);
struct llama_sampler * llama_sys_sampler_init_grammar(const struct llama_vocab * vocab, const char * grammar,
                                                      const char * root);
struct llama_sampler * llama_sys_sampler_init_penalties(int32_t n_vocab, int32_t last_n, float repeat, float freq,
                                                        float present);
struct llama_sampler * llama_sys_sampler_init_dry(const struct llama_vocab * vocab, float multiplier, float base,
                                                  int32_t allowed_length, int32_t last_n, const char ** breakers,
                                                  size_t n_breakers);
struct llama_sampler * llama_sys_sampler_init_logit_bias(int32_t n_vocab, int32_t n_bias,
                                                         const struct llama_logit_bias * bias);
// False after an exception: the sampler is then to be reset before it is used again.
bool llama_sys_sampler_apply(struct llama_sampler * smpl, struct llama_token_data_array * cur_p);
bool llama_sys_sampler_accept(struct llama_sampler * smpl, llama_token token);
bool llama_sys_sampler_reset(struct llama_sampler * smpl);

// Sum of a[i] * b[i] over the first n (rounded down to a multiple of 32) values of both, `times` times over: work of fixed
// size that llama.cpp has no part in.
float llama_sys_dot(const float * a, const float * b, size_t n, uint32_t times);

// Whether a context computes with flash attention: 1 or 0, -1 if llama.cpp has not decided.
int32_t llama_sys_flash_attn(const struct llama_context * ctx);

// The parameters that a model was loaded with. Of the pointers, null means that there was nothing; only those in
// `tensor_split`, which are llama_max_devices() numbers, may still be followed.
void llama_sys_model_params(const struct llama_model * model, struct llama_model_params * out);

// What became of those parameters.
struct llama_sys_model_facts {
    uint32_t n_tensors;
    uint32_t n_layers;    // the output layer counted
    uint32_t n_offloaded; // of those, on devices
    bool     can_offload; // there is a device to offload to
    bool     has_weights; // all tensors have memory
};
void llama_sys_model_facts_of(const struct llama_model * model, struct llama_sys_model_facts * out);

// Prepares devices that their backend would prepare at their first use, with no lock: two threads that load a model at once
// would then find one that is half prepared. One that cannot be prepared fails when it is used.
void llama_sys_prepare_devices(void);

// The devices that a model is spread over: writes at most `cap` of them and returns how many there are.
uint32_t llama_sys_model_devices(const struct llama_model * model, ggml_backend_dev_t * out, uint32_t cap);

// A tensor of a model. The pointers live as long as the model.
struct llama_sys_model_tensor {
    const char *   name;
    enum ggml_type type;
    uint64_t       n_elements;
    size_t         n_bytes;
    const void *   data; // the bytes as they are in the file; NULL if the host cannot read them so
};

// The tensor of this index. False if there is none.
bool llama_sys_model_tensor_at(const struct llama_model * model, uint32_t i, struct llama_sys_model_tensor * out);

// Bytes used in one buffer type.
struct llama_sys_memory {
    char   device[128];      // name of the device, "" if the buffer type belongs to none
    char   buffer_type[128]; // name of the buffer type
    size_t model;            // weights
    size_t context;          // KV cache and recurrent state
    size_t compute;          // compute buffers
};

// Memory of a context by buffer type (llama_get_memory_breakdown). Writes at most `cap` entries and returns how many
// there are, or -1 after an exception.
int32_t llama_sys_memory_breakdown(const struct llama_context * ctx, struct llama_sys_memory * out, int32_t cap);

// Whether the memory of a context (KV cache, recurrent state) lies in buffers that the host reads and writes, all of it.
// False after an exception too.
bool llama_sys_memory_is_host(const struct llama_context * ctx);

// How the rows of a memory, one per cell, lie in its buffers.
enum llama_sys_memory_rows {
    LLAMA_SYS_ROWS_UNKNOWN = 0, // an exception, or tensors that could not all be found
    LLAMA_SYS_ROWS_WHOLE   = 1, // every row is a multiple of its buffer's alignment, or saved one at a time
    LLAMA_SYS_ROWS_RAGGED  = 2, // some are not
};

// Builds a graph of the context to find out. `n_seq_max` is the context's; `smallest` becomes the bytes of the smallest
// row that is not saved one at a time, SIZE_MAX if there is none.
enum llama_sys_memory_rows llama_sys_memory_rows_of(struct llama_context * ctx, uint32_t n_seq_max, size_t * smallest);

// Whether every buffer type of the context's memory could now give `size` bytes for a snapshot, and the host
// `bookkeeping` bytes for its bookkeeping.
bool llama_sys_memory_has_room(struct llama_context * ctx, size_t size, size_t bookkeeping);

// Nodes of a graph that are alike, copies between two devices, or results that the host reads.
struct llama_sys_work_part {
    char     op[64];      // operation, "" for copies and results
    char     type[64];    // type of keys and values, of what is written, else of the first operand; "" for copies,
                          // "result" for results
    char     device[128]; // device that computes, or that is copied to
    char     source[128]; // buffer type of the weights that are read, "" if none are; the device that is copied from
    uint32_t n;           // how many
    uint64_t bytes;       // of the tensors that are copied, 0 for nodes
};

// Counts the graph that decodes `n_tokens` tokens (no more than n_ubatch) without computing it; each sequence has one
// output, or every token with `all_outputs`. Writes at most `cap` parts, the nodes first, and returns how many there are,
// or -1 after an exception. Waits for pending work.
int32_t llama_sys_work_of_decode(struct llama_context * ctx, uint32_t n_tokens, bool all_outputs,
                                 struct llama_sys_work_part * out, int32_t cap, uint32_t * n_splits);

// The same of the graph that encodes this batch, which only encoding it shows.
int32_t llama_sys_work_of_encode(struct llama_context * ctx, struct llama_batch batch, struct llama_sys_work_part * out,
                                 int32_t cap, uint32_t * n_splits);

// What a part of the work of a test is.
enum llama_sys_cell_what {
    LLAMA_SYS_CELL_WEIGHTS    = 0, // bytes of weights that are read
    LLAMA_SYS_CELL_KV_READ    = 1, // bytes of keys and values that are read
    LLAMA_SYS_CELL_KV_WRITE   = 2, // bytes of keys and values that are written
    LLAMA_SYS_CELL_STATE      = 3, // bytes of recurrent states that are read and written
    LLAMA_SYS_CELL_ACTIVATION = 4, // bytes of large results, written and read
    LLAMA_SYS_CELL_COPIED     = 5, // bytes that are copied to the device
    LLAMA_SYS_CELL_PRODUCT    = 6, // floating-point operations
    LLAMA_SYS_CELL_UNCOUNTED  = 7, // operations whose arithmetic is not counted
};

struct llama_sys_cell_part {
    enum llama_sys_cell_what what;
    char     device[128]; // that computes, or that is copied to
    char     op[64];      // of products and of what is not counted, else ""
    char     type[64];    // of products: of weights, or of keys and values; else ""
    uint64_t n;           // nodes or tensors of all graphs
    uint64_t amount;      // bytes or floating-point operations
};

// A test, of `n_tokens` tokens of each of `n_seqs` sequences that hold `n_depth` tokens. Of those, sequences in one KV buffer
// share the first `n_shared`. A generation has one token of each at once, a prompt or a text up to `n_at_once` tokens of all.
struct llama_sys_cell_test {
    uint32_t n_tokens;
    uint32_t n_depth;
    uint32_t n_shared;
    uint32_t n_seqs;
    uint32_t n_at_once;
    bool     is_generation;
};

// Counts the work of a test from its graphs, in a context that holds nothing and has room for it, without computing them
// and without writing keys or values; a model without weights will do. The context still holds nothing then. Writes at most
// `cap` parts and returns how many there are, -1 after an exception, or -2 if it cannot be counted, with the reason in `why`.
int32_t llama_sys_cell_work(struct llama_context * ctx, struct llama_sys_cell_test test, struct llama_sys_cell_part * out,
                            int32_t cap, uint32_t * n_graphs, char * why, size_t why_size);

// A block of a model: what a stop of a trace is in.
enum llama_sys_trace_block {
    LLAMA_SYS_BLOCK_ATTENTION    = 0,
    LLAMA_SYS_BLOCK_MIXER        = 1, // a recurrent layer's, in attention's place
    LLAMA_SYS_BLOCK_FEED_FORWARD = 2,
    LLAMA_SYS_BLOCK_EXPERTS      = 3,
    LLAMA_SYS_BLOCK_OUTPUT       = 4, // the last norm and the logits
    LLAMA_SYS_BLOCK_OTHER        = 5, // embeddings and what is before the first layer
};

// Where a trace stops.
enum llama_sys_trace_stops {
    LLAMA_SYS_STOPS_NONE       = 0, // nowhere: the graphs are learned
    LLAMA_SYS_STOPS_LAYERS     = 1, // after each layer and each device
    LLAMA_SYS_STOPS_BLOCKS     = 2, // after each block too
    LLAMA_SYS_STOPS_OPERATIONS = 3, // after each operation
};

// A stop of a trace. The texts live until the graphs are learned again or the trace is freed.
struct llama_sys_trace_stop {
    const char * name;         // of the node that was stopped at
    const char * op;           // its operation
    const char * type;         // type of keys and values, of what is written, else of the first operand
    const char * device;       // device that computed
    const char * source;       // device that operands were copied from, "" if none were
    const char * weights;      // weights that the node reads, "" if none
    enum llama_sys_trace_block block;
    int32_t      layer;        // -1 if it is in none
    uint32_t     graph;        // number of the graph, from 0
    uint32_t     n_operations; // that were computed since the stop before, this one included
    uint64_t     bytes;        // of their operands and results
    uint64_t     copied_bytes; // that were copied from another device for them
    int64_t      begun_ns;     // when they began, after copies; by a clock that only goes forward
    int64_t      ended_ns;     // when the device had finished them
};

// A trace of a context, which must live as long. NULL after an exception.
struct llama_sys_trace * llama_sys_trace_new(struct llama_context * ctx);
// Stops from now on in what the context computes, until the end. To stop anywhere, the graphs of the same decodes must have
// been learned. Waits for pending work. False after an exception.
bool llama_sys_trace_begin(struct llama_context * ctx, struct llama_sys_trace * trace, enum llama_sys_trace_stops stops);
// Ends it and returns how often it stopped, or -1 after an exception: other graphs were computed than those learned.
int32_t llama_sys_trace_end(struct llama_context * ctx, struct llama_sys_trace * trace);
// The stop of this number. False if there is none.
bool llama_sys_trace_stop_at(struct llama_sys_trace * trace, uint32_t i, struct llama_sys_trace_stop * out);
void llama_sys_trace_free(struct llama_sys_trace * trace);

// A node of a layer that another device computes than the one that holds the layer.
struct llama_sys_stray {
    char     name[64];          // llama.cpp's name of its result
    char     op[64];
    char     weights[64];       // weights that it reads, "" if it reads none
    char     weights_at[128];   // their buffer type, "" without any
    char     device[128];       // that computes it
    char     layer_device[128]; // that holds the layer
    int32_t  layer;
    uint64_t weight_bytes;
    uint64_t crossed_bytes;     // of operands and results that are copied between the two
};

// Those of the graph that decodes `n_tokens` tokens, as llama_sys_work_of_decode counts it. Writes at most `cap` and returns
// how many there are, or -1 after an exception.
int32_t llama_sys_strays_of_decode(struct llama_context * ctx, uint32_t n_tokens, bool all_outputs,
                                   struct llama_sys_stray * out, int32_t cap);

// Free and total memory of a device. False after an exception: a device of another machine that cannot be reached.
bool llama_sys_dev_memory(ggml_backend_dev_t device, size_t * free, size_t * total);

// Whether this llama.cpp can use devices of other machines (GGML_RPC).
bool llama_sys_has_rpc(void);

// The version of the protocol that it speaks: major, minor and patch, from the highest byte but one.
uint32_t llama_sys_rpc_version(void);

// Connects to a server (`host:port`) and registers its devices if there are at most `cap`, which are written. Returns how
// many there are, or -1 after an exception.
int32_t llama_sys_rpc_add_server(const char * endpoint, ggml_backend_dev_t * out, int32_t cap);

// Has a device of a server compute another graph than the last one. Client and server remember that, so that a decode whose
// graph is the same need not send it; but a server forgets it whenever any buffer is freed, and ends the connection when it
// is then asked for. False after an exception.
bool llama_sys_rpc_forget_graph(ggml_backend_dev_t device);

// Serves devices to one client at a time, for ever. Returns only if it cannot; an exception may tell why.
void llama_sys_rpc_serve(const char * endpoint, const char * cache_dir, size_t n_threads, size_t n_devices,
                         ggml_backend_dev_t * devices);

// Memory of a device that the host writes and reads. NULL if there is none, and after an exception.
struct llama_sys_block * llama_sys_block_new(ggml_backend_dev_t device, size_t size);
bool llama_sys_block_write(struct llama_sys_block * block, const void * data, size_t size); // false after an exception
bool llama_sys_block_read(struct llama_sys_block * block, void * data, size_t size);        // false after an exception
void llama_sys_block_free(struct llama_sys_block * block);

// Work of one operation that a device computes over and over: matrix products, or copies within its memory.
struct llama_sys_probe_shape {
    enum ggml_type type;
    uint32_t       buffer;    // where the matrix lies: 0 is the device's own memory, others rearrange it
    uint32_t       n_threads; // of a CPU; 0 for the backend's choice
    uint32_t       n_nodes;   // how many times in one graph
    int64_t        n_inner;   // values of a row
    int64_t        n_rows;    // rows of the matrix
    int64_t        n_columns; // of the other operand, in f32; 0 for a copy of the matrix
};

// NULL if the device cannot compute it or has no memory for it: the exception says which.
struct llama_sys_probe * llama_sys_probe_new(ggml_backend_dev_t device, struct llama_sys_probe_shape shape);
bool llama_sys_probe_run(struct llama_sys_probe * probe); // computes it once and waits; false after an exception
void llama_sys_probe_free(struct llama_sys_probe * probe);

// The device whose memory holds the tensor of this index; NULL if there is none. The host's memory is the CPU's.
ggml_backend_dev_t llama_sys_model_tensor_device(const struct llama_model * model, uint32_t i);

#ifdef __cplusplus
}
#endif
