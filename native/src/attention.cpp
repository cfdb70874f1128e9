// Attention with grouped key-value heads, causal or not, forward and backward, one (example,
// key-value head) at a time.
//
// Queries are laid out as lanes: lane l of a group of G query heads is query l / G of head l % G,
// so one panel of kPanel lanes meets each key once for all heads that share it. Scores are kept key
// by key: scores[key][lane], which makes softmax a sum over rows without horizontal steps. Only one
// panel's scores exist at a time: keys x kPanel numbers, never keys x queries. Every sum starts at
// the example's first key or lane, so an example's bits do not depend on what else is in the group.
#include "gemm.h"
#include "workspace.h"

PALIMPSEST_BEGIN

namespace {

// Lanes a register tile of outputs holds; divides kPanel.
constexpr int kLaneRows = kTileRows > 8 ? 8 : 4;

// c[i][v] += sum over t < k of a[t * kPanel + i] * b[t * kPanel + v].
template <int R, int V>
PALIMPSEST_INLINE void multiply_lanes(vf (&c)[R][V], const float* a, int64_t k, const float* b) {
  for (int64_t t = 0; t < k; t++, a += kPanel, b += kPanel) {
    vf bv[V];
    PALIMPSEST_UNROLL for (int v = 0; v < V; v++) bv[v] = load(b + v * kWidth);
    PALIMPSEST_UNROLL for (int i = 0; i < R; i++) {
      vf av = splat(a[i]);
      PALIMPSEST_UNROLL for (int v = 0; v < V; v++) c[i][v] = fma(av, bv[v], c[i][v]);
    }
  }
}

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// rows[n][d] as floats, then zero rows up to padded.
template <class T>
void copy_rows(const T* source, int64_t ld, int64_t n, int64_t padded, int64_t d, float* rows) {
  for (int64_t t = 0; t < padded; t++)
    for (int64_t i = 0; i < d; i += kWidth) {
      int m = d - i < kWidth ? (int)(d - i) : kWidth;
      vf v = t >= n        ? zero()
             : m == kWidth ? load(source + t * ld + i)
                           : load(source + t * ld + i, m);
      if (m == kWidth)
        store(rows + t * d + i, v);
      else
        store(rows + t * d + i, v, m);
    }
}

// The same as panels of kPanel columns: panels[i / kPanel][t][i % kPanel], zero beyond d.
template <class T>
void copy_panels(const T* source, int64_t ld, int64_t n, int64_t padded, int64_t d, float* panels) {
  for (int64_t i = 0; i < d; i += kPanel)
    for (int64_t t = 0; t < padded; t++, panels += kPanel)
      for (int v = 0; v < kVectors; v++) {
        int64_t at = i + v * kWidth;
        int64_t m = t < n ? d - at : 0;
        store(panels + v * kWidth, m >= kWidth ? load(source + t * ld + at)
                                   : m > 0     ? load(source + t * ld + at, (int)m)
                                               : zero());
      }
}

// What one call works on: the shape, and the span of the example at hand.
struct Span {
  int64_t query_start, queries, key_start, keys;
  int64_t group;  // query heads a key-value head
  bool causal;
  int64_t lanes() const { return queries * group; }
  // The last key that a lane's query sees: the one at its own place, or all of the example's.
  int64_t position(int64_t lane) const { return causal ? keys - queries + lane / group : keys - 1; }
};

Span span_of(const int32_t* spans, int64_t ld, int32_t b, int64_t group, bool causal) {
  return {spans[b], spans[ld + b], spans[2 * ld + b], spans[3 * ld + b], group, causal};
}

// Keys that some lane of the panel sees: [first, end), cut to whole tiles.
struct Keys {
  int64_t first, end;
};
Keys keys_of(const Span& span, int64_t lane0, int32_t window) {
  int64_t last = lane0 + kPanel < span.lanes() ? lane0 + kPanel - 1 : span.lanes() - 1;
  int64_t first = window > 0 ? span.position(lane0) - window + 1 : 0;
  return {first > 0 ? first / kTileRows * kTileRows : 0,
          round_up(span.position(last) + 1, kTileRows)};
}

// Lanes lane0.. of a matrix of query rows: transposed[d][lane] and (if not null) panels[i /
// kPanel][lane][i % kPanel]; zero beyond.
template <class T>
void gather(const T* source, int64_t ld, const Span& span, int64_t head0, int64_t lane0, int64_t d,
            float* transposed, float* panels) {
  const int64_t dp = round_up(d, kPanel);
  for (int64_t l = 0; l < kPanel; l++) {
    int64_t lane = lane0 + l;
    bool there = lane < span.lanes();
    const T* row = there ? source + (span.query_start + lane / span.group) * ld +
                               (head0 + lane % span.group) * d
                         : source;
    for (int64_t i = 0; i < d; i++) {
      float x = there ? to_float(row[i]) : 0.0f;
      transposed[i * kPanel + l] = x;
      if (panels != nullptr) panels[(i / kPanel * kPanel + l) * kPanel + i % kPanel] = x;
    }
    if (panels != nullptr)
      for (int64_t i = d; i < dp; i++)
        panels[(i / kPanel * kPanel + l) * kPanel + i % kPanel] = 0.0f;
  }
}

// scores[key][lane] = rows[key] . transposed[.][lane] for the keys of whole tiles in [first, end)
// and the lanes of the first V vectors.
template <int V>
void score(const float* rows, int64_t d, const float* transposed, Keys keys, float* scores) {
  for (int64_t key = keys.first; key < keys.end; key += kTileRows) {
    vf c[kTileRows][V] = {};
    multiply<kTileRows, V>(c, rows + key * d, d, d, transposed);
    for (int i = 0; i < kTileRows; i++)
      for (int v = 0; v < V; v++) store(scores + (key + i) * kPanel + v * kWidth, c[i][v]);
  }
}

// The same for as few vectors as hold the lanes: a new token of a stream has few.
void score(const float* rows, int64_t d, const float* transposed, Keys keys, int64_t lanes,
           float* scores) {
  if (lanes <= kWidth)
    score<1>(rows, d, transposed, keys, scores);
  else
    score<kVectors>(rows, d, transposed, keys, scores);
}

// The last keys that lanes see; -1 for lanes beyond the last.
void positions_of(const Span& span, int64_t lane0, float* positions) {
  for (int64_t l = 0; l < kPanel; l++)
    positions[l] = lane0 + l < span.lanes() ? (float)span.position(lane0 + l) : -1.0f;
}

// Whether the lane sees the key.
vi visible(vf position, int64_t key, int32_t window) {
  vf k = splat((float)key);
  vi seen = (vi)(k <= position);
  if (window > 0) seen &= (vi)(k > position - splat((float)window));
  return seen;
}

template <class T>
void write(const float* values, int64_t d, T* out) {
  for (int64_t i = 0; i < d; i++) from_float(values[i], out + i);
}
void write(const float* values, int64_t d, void* base, bool is_bf16, int64_t offset) {
  if (is_bf16)
    write(values, d, static_cast<bf16*>(base) + offset);
  else
    write(values, d, static_cast<float*>(base) + offset);
}

// rows[r] = sum over keys of weights[key][r] * panels[key] for R lanes.
template <int R>
void combine_lanes(const float* weights, Keys keys, const float* panels, int64_t padded_keys,
                   int64_t d, float* rows) {
  const int64_t dp = round_up(d, kPanel);
  for (int64_t i = 0; i < d; i += kPanel) {
    vf c[R][kVectors] = {};
    multiply_lanes<R, kVectors>(c, weights + keys.first * kPanel, keys.end - keys.first,
                                panels + i * padded_keys + keys.first * kPanel);
    for (int r = 0; r < R; r++)
      for (int v = 0; v < kVectors; v++) store(rows + r * dp + i + v * kWidth, c[r][v]);
  }
}

// The same for all lanes, handed to `emit` lane by lane. A tile has as few lanes as are left.
template <class Emit>
void combine(const float* weights, Keys keys, const float* panels, int64_t padded_keys, int64_t d,
             int64_t lanes, float* row_block, Emit emit) {
  const int64_t dp = round_up(d, kPanel);
  for (int64_t l0 = 0; l0 < kPanel && l0 < lanes; l0 += kLaneRows) {
    if (lanes - l0 <= kLaneRows / 2)
      combine_lanes<kLaneRows / 2>(weights + l0, keys, panels, padded_keys, d, row_block);
    else
      combine_lanes<kLaneRows>(weights + l0, keys, panels, padded_keys, d, row_block);
    for (int64_t r = 0; r < kLaneRows && l0 + r < lanes; r++) emit(l0 + r, row_block + r * dp);
  }
}

// gradient[key] += sum over lanes of weights[key][lane] * panels[lane].
void spread(const float* weights, Keys keys, const float* panels, int64_t d, float* gradient) {
  const int64_t dp = round_up(d, kPanel);
  for (int64_t key = keys.first; key < keys.end; key += kTileRows)
    for (int64_t i = 0; i < d; i += kPanel) {
      vf c[kTileRows][kVectors];
      float* g = gradient + key * dp + i;
      for (int r = 0; r < kTileRows; r++)
        for (int v = 0; v < kVectors; v++) c[r][v] = load(g + r * dp + v * kWidth);
      multiply<kTileRows, kVectors>(c, weights + key * kPanel, kPanel, kPanel, panels + i * kPanel);
      for (int r = 0; r < kTileRows; r++)
        for (int v = 0; v < kVectors; v++) store(g + r * dp + v * kWidth, c[r][v]);
    }
}

int64_t padded(int64_t keys) { return round_up(keys, kTileRows); }

int64_t workspace_of(int64_t keys, int64_t d) {
  const int64_t t = padded(keys), dp = round_up(d, kPanel);
  const int64_t rows = 2 * t * d, panels = 2 * t * dp, gradients = 2 * t * dp,
                scores = 2 * t * kPanel;
  const int64_t lanes = 2 * (d * kPanel + dp * kPanel), rest = kLaneRows * dp + 8 * kPanel;
  // In 15 pieces at most, each with the end of its line and a gap.
  return rows + panels + gradients + scores + lanes + rest + 15 * 31;
}

// Of one vector of lanes: the largest scaled score, and the sum of exp(score - top).
struct Softmax {
  vf top, total;
};

// Replaces the scores of a vector of lanes by exp(scale * score - top); 0 for keys a lane does not
// see.
PALIMPSEST_INLINE Softmax exponentials(float* scores, Keys keys, vf position, float scale,
                                       int32_t window) {
  vf top = splat(-INFINITY);
  for (int64_t key = keys.first; key < keys.end; key++) {
    float* s = scores + key * kPanel;
    vf x = select(visible(position, key, window), load(s) * splat(scale), splat(-INFINITY));
    store(s, x);
    top = max(top, x);
  }
  vf total = zero();
  for (int64_t key = keys.first; key < keys.end; key++) {
    float* s = scores + key * kPanel;
    vf p = exp(load(s) - top);
    store(s, p);
    total = total + p;
  }
  return {top, total};
}

template <class T>
void forward_head(const T* q, int64_t q_ld, const T* k, int64_t k_ld, const T* v, int64_t v_ld,
                  const Span& span, int64_t head0, int64_t d, float scale, int32_t window, T* out,
                  int64_t out_ld, float* lse, int64_t lse_ld, Workspace space) {
  const int64_t t = padded(span.keys), dp = round_up(d, kPanel);
  float* key_rows = space.take(t * d);
  float* value_panels = space.take(t * dp);
  float* transposed = space.take(d * kPanel);
  float* scores = space.take(t * kPanel);
  float* row_block = space.take(kLaneRows * dp);
  float* positions = space.take(kPanel);
  float* inverse = space.take(kPanel);
  copy_rows(k, k_ld, span.keys, t, d, key_rows);
  copy_panels(v, v_ld, span.keys, t, d, value_panels);
  for (int64_t lane0 = 0; lane0 < span.lanes(); lane0 += kPanel) {
    const Keys keys = keys_of(span, lane0, window);
    const int64_t lanes = span.lanes() - lane0 < kPanel ? span.lanes() - lane0 : kPanel;
    gather(q, q_ld, span, head0, lane0, d, transposed, nullptr);
    positions_of(span, lane0, positions);
    score(key_rows, d, transposed, keys, lanes, scores);
    for (int v0 = 0; v0 < lanes; v0 += kWidth) {
      const auto [top, total] =
          exponentials(scores + v0, keys, load(positions + v0), scale, window);
      store(inverse + v0, splat(1.0f) / total);
      float tops[kWidth], totals[kWidth];
      store(tops, top);
      store(totals, total);
      for (int l = 0; l < kWidth && v0 + l < lanes && lse != nullptr; l++) {
        int64_t lane = lane0 + v0 + l;
        lse[(span.query_start + lane / span.group) * lse_ld + head0 + lane % span.group] =
            tops[l] + std::log(totals[l]);
      }
    }
    combine(scores, keys, value_panels, t, d, lanes, row_block, [&](int64_t l, float* row) {
      int64_t lane = lane0 + l;
      for (int64_t i = 0; i < d; i++) row[i] *= inverse[l];
      write(
          row, d,
          out + (span.query_start + lane / span.group) * out_ld + (head0 + lane % span.group) * d);
    });
  }
}

struct Gradients {
  void *dq, *dk, *dv;
  int64_t dq_ld, dk_ld, dv_ld;
  bool is_bf16;
};

// Of each lane its log-sum-exp and delta, the inner product of its output and the output's
// gradient; lanes beyond the last get a probability of 0.
//
// The chain is the same as the score gradient's: where one key has all the weight, their difference
// is exactly 0.
template <class T>
void deltas_of(const T* out, int64_t out_ld, const float* d_out, int64_t d_out_ld, const float* lse,
               int64_t lse_ld, const Span& span, int64_t head0, int64_t lane0, int64_t d,
               float* lane_lse, float* lane_delta) {
  for (int64_t l = 0; l < kPanel; l++) {
    int64_t lane = lane0 + l, row = span.query_start + lane / span.group,
            head = head0 + lane % span.group;
    bool there = lane < span.lanes();
    float delta = 0;
    if (there)
      for (int64_t i = 0; i < d; i++)
        delta = fma(to_float(out[row * out_ld + head * d + i]),
                    d_out[row * d_out_ld + head * d + i], delta);
    lane_delta[l] = delta;
    lane_lse[l] = there ? lse[row * lse_ld + head] : INFINITY;
  }
}

// Turns scores into probabilities, and the probabilities' gradients into the scores'.
PALIMPSEST_INLINE void softmax_backward(float* probabilities, float* gradients, Keys keys,
                                        const float* positions, const float* lane_lse,
                                        const float* lane_delta, float scale, int32_t window) {
  for (int64_t key = keys.first; key < keys.end; key++)
    for (int v0 = 0; v0 < kPanel; v0 += kWidth) {
      float* p = probabilities + key * kPanel + v0;
      float* g = gradients + key * kPanel + v0;
      vi seen = visible(load(positions + v0), key, window);
      vf probability = select(seen, exp(load(p) * splat(scale) - load(lane_lse + v0)), zero());
      vf gradient = probability * (load(g) - load(lane_delta + v0)) * splat(scale);
      store(p, probability);
      store(g, select(seen, gradient, zero()));
    }
}

template <class T>
void backward_head(const T* q, int64_t q_ld, const T* k, int64_t k_ld, const T* v, int64_t v_ld,
                   const T* out, int64_t out_ld, const float* d_out, int64_t d_out_ld,
                   const float* lse, int64_t lse_ld, const Span& span, int64_t head0,
                   int64_t kv_head, int64_t d, float scale, int32_t window, const Gradients& to,
                   Workspace space) {
  const int64_t t = padded(span.keys), dp = round_up(d, kPanel);
  float* key_rows = space.take(t * d);
  float* value_rows = space.take(t * d);
  float* key_panels = space.take(t * dp);
  float* key_gradient = space.take(t * dp);
  float* value_gradient = space.take(t * dp);
  float* probabilities = space.take(t * kPanel);
  float* score_gradients = space.take(t * kPanel);
  float* query_transposed = space.take(d * kPanel);
  float* query_panels = space.take(dp * kPanel);
  float* out_transposed = space.take(d * kPanel);
  float* out_panels = space.take(dp * kPanel);
  float* row_block = space.take(kLaneRows * dp);
  float* positions = space.take(kPanel);
  float* lane_lse = space.take(kPanel);
  float* lane_delta = space.take(kPanel);
  copy_rows(k, k_ld, span.keys, t, d, key_rows);
  copy_rows(v, v_ld, span.keys, t, d, value_rows);
  copy_panels(k, k_ld, span.keys, t, d, key_panels);
  memset(key_gradient, 0, t * dp * sizeof(float));
  memset(value_gradient, 0, t * dp * sizeof(float));
  for (int64_t lane0 = 0; lane0 < span.lanes(); lane0 += kPanel) {
    const Keys keys = keys_of(span, lane0, window);
    const int64_t lanes = span.lanes() - lane0 < kPanel ? span.lanes() - lane0 : kPanel;
    gather(q, q_ld, span, head0, lane0, d, query_transposed, query_panels);
    gather(d_out, d_out_ld, span, head0, lane0, d, out_transposed, out_panels);
    positions_of(span, lane0, positions);
    deltas_of(out, out_ld, d_out, d_out_ld, lse, lse_ld, span, head0, lane0, d, lane_lse,
              lane_delta);
    score<kVectors>(key_rows, d, query_transposed, keys, probabilities);
    score<kVectors>(value_rows, d, out_transposed, keys, score_gradients);
    softmax_backward(probabilities, score_gradients, keys, positions, lane_lse, lane_delta, scale,
                     window);
    spread(probabilities, keys, out_panels, d, value_gradient);
    spread(score_gradients, keys, query_panels, d, key_gradient);
    combine(score_gradients, keys, key_panels, t, d, lanes, row_block,
            [&](int64_t l, const float* row) {
              int64_t lane = lane0 + l;
              write(row, d, to.dq, to.is_bf16,
                    (span.query_start + lane / span.group) * to.dq_ld +
                        (head0 + lane % span.group) * d);
            });
  }
  for (int64_t key = 0; key < span.keys; key++) {
    write(key_gradient + key * dp, d, to.dk, to.is_bf16,
          (span.key_start + key) * to.dk_ld + kv_head * d);
    write(value_gradient + key * dp, d, to.dv, to.is_bf16,
          (span.key_start + key) * to.dv_ld + kv_head * d);
  }
}

template <class T>
void forward(const T* q, int64_t q_ld, const T* k, int64_t k_ld, const T* v, int64_t v_ld,
             const int32_t* spans, int64_t spans_ld, int32_t count, int32_t heads, int32_t kv_heads,
             int64_t d, float scale, int32_t window, bool causal, T* out, int64_t out_ld,
             float* lse, int64_t lse_ld, float* workspace) {
  const int64_t group = heads / kv_heads;
  for (int32_t b = 0; b < count; b++) {
    const Span span = span_of(spans, spans_ld, b, group, causal);
    for (int64_t h = 0; h < kv_heads; h++)
      forward_head(q, q_ld, k + span.key_start * k_ld + h * d, k_ld,
                   v + span.key_start * v_ld + h * d, v_ld, span, h * group, d, scale, window, out,
                   out_ld, lse, lse_ld, Workspace(workspace));
  }
}

template <class T>
void backward(const T* q, int64_t q_ld, const T* k, int64_t k_ld, const T* v, int64_t v_ld,
              const T* out, int64_t out_ld, const float* d_out, int64_t d_out_ld, const float* lse,
              int64_t lse_ld, const int32_t* spans, int64_t spans_ld, int32_t count, int32_t heads,
              int32_t kv_heads, int64_t d, float scale, int32_t window, bool causal,
              const Gradients& to, float* workspace) {
  const int64_t group = heads / kv_heads;
  for (int32_t b = 0; b < count; b++) {
    const Span span = span_of(spans, spans_ld, b, group, causal);
    for (int64_t h = 0; h < kv_heads; h++)
      backward_head(q, q_ld, k + span.key_start * k_ld + h * d, k_ld,
                    v + span.key_start * v_ld + h * d, v_ld, out, out_ld, d_out, d_out_ld, lse,
                    lse_ld, span, h * group, h, d, scale, window, to, Workspace(workspace));
  }
}

int check(const int32_t* spans, int64_t spans_ld, int32_t count, int32_t heads, int32_t kv_heads,
          int64_t d, int32_t window, bool causal, int64_t workspace_floats, bool backward) {
  PALIMPSEST_REQUIRE(count >= 0 && spans_ld >= count && d > 0 && kv_heads > 0 &&
                     heads % kv_heads == 0);
  PALIMPSEST_REQUIRE(window >= 0 && (causal || window == 0));
  for (int32_t b = 0; b < count; b++) {
    const Span span = span_of(spans, spans_ld, b, 1, causal);
    PALIMPSEST_REQUIRE(span.query_start >= 0 && span.key_start >= 0 && span.queries >= 0 &&
                       span.keys >= span.queries);
    PALIMPSEST_REQUIRE(!backward ||
                       (span.query_start == span.key_start && span.queries == span.keys));
    PALIMPSEST_REQUIRE(span.keys < (1 << 24));  // positions are compared as floats
    if (workspace_floats < workspace_of(span.keys, d))
      return fail(PALIMPSEST_WORKSPACE, "the attention workspace is too small");
  }
  return PALIMPSEST_OK;
}

}  // namespace

int attention_workspace(int64_t keys, int64_t head_size, int64_t* floats) {
  PALIMPSEST_REQUIRE(keys >= 0 && head_size > 0);
  *floats = workspace_of(keys, head_size);
  return PALIMPSEST_OK;
}

int attention_forward(const void* q, int64_t q_ld, const void* k, int64_t k_ld, const void* v,
                      int64_t v_ld, int32_t type, const int32_t* spans, int64_t spans_ld,
                      int32_t count, int32_t heads, int32_t kv_heads, int64_t head_size,
                      float scale, int32_t window, int32_t causal, void* out, int64_t out_ld,
                      float* lse, int64_t lse_ld, float* workspace, int64_t workspace_floats) {
  int status = check(spans, spans_ld, count, heads, kv_heads, head_size, window, causal != 0,
                     workspace_floats, false);
  if (status != PALIMPSEST_OK) return status;
  if (type == PALIMPSEST_BF16)
    forward(static_cast<const bf16*>(q), q_ld, static_cast<const bf16*>(k), k_ld,
            static_cast<const bf16*>(v), v_ld, spans, spans_ld, count, heads, kv_heads, head_size,
            scale, window, causal != 0, static_cast<bf16*>(out), out_ld, lse, lse_ld, workspace);
  else
    forward(static_cast<const float*>(q), q_ld, static_cast<const float*>(k), k_ld,
            static_cast<const float*>(v), v_ld, spans, spans_ld, count, heads, kv_heads, head_size,
            scale, window, causal != 0, static_cast<float*>(out), out_ld, lse, lse_ld, workspace);
  return PALIMPSEST_OK;
}

int attention_backward(const void* q, int64_t q_ld, const void* k, int64_t k_ld, const void* v,
                       int64_t v_ld, const void* out, int64_t out_ld, int32_t type,
                       const float* d_out, int64_t d_out_ld, const float* lse, int64_t lse_ld,
                       const int32_t* spans, int64_t spans_ld, int32_t count, int32_t heads,
                       int32_t kv_heads, int64_t head_size, float scale, int32_t window,
                       int32_t causal, void* dq, int64_t dq_ld, void* dk, int64_t dk_ld, void* dv,
                       int64_t dv_ld, int32_t d_type, float* workspace, int64_t workspace_floats) {
  int status = check(spans, spans_ld, count, heads, kv_heads, head_size, window, causal != 0,
                     workspace_floats, true);
  if (status != PALIMPSEST_OK) return status;
  const Gradients to{dq, dk, dv, dq_ld, dk_ld, dv_ld, d_type == PALIMPSEST_BF16};
  if (type == PALIMPSEST_BF16)
    backward(static_cast<const bf16*>(q), q_ld, static_cast<const bf16*>(k), k_ld,
             static_cast<const bf16*>(v), v_ld, static_cast<const bf16*>(out), out_ld, d_out,
             d_out_ld, lse, lse_ld, spans, spans_ld, count, heads, kv_heads, head_size, scale,
             window, causal != 0, to, workspace);
  else
    backward(static_cast<const float*>(q), q_ld, static_cast<const float*>(k), k_ld,
             static_cast<const float*>(v), v_ld, static_cast<const float*>(out), out_ld, d_out,
             d_out_ld, lse, lse_ld, spans, spans_ld, count, heads, kv_heads, head_size, scale,
             window, causal != 0, to, workspace);
  return PALIMPSEST_OK;
}

PALIMPSEST_END
