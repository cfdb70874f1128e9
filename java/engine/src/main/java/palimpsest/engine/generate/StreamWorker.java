package palimpsest.engine.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import palimpsest.engine.kernel.Kernels;
import palimpsest.engine.kernel.Sample;
import palimpsest.engine.model.Activations;
import palimpsest.engine.model.Decoder;
import palimpsest.engine.model.KeyValueCache;
import palimpsest.engine.model.StreamGroup;
import palimpsest.engine.model.Trainable;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.tensor.Tensor;
import palimpsest.engine.tensor.TensorArena;

/**
 * One worker's texts, a token of each at a time. With guidance the text in place i has the streams
 * in slots i and {@code texts + i} of the cache: after its own prefix and after the generic one.
 */
final class StreamWorker {
  /** A text in the making. */
  private static final class Text {
    final Request request;
    final int place;
    final int[] tokens;
    int length;
    int last;
    int lastGeneric;

    Text(Request request, int place, int maxTokens) {
      this.request = request;
      this.place = place;
      tokens = new int[maxTokens];
    }
  }

  private final Decoder decoder;
  private final Trainable tuned;
  private final Prefixes prefixes;
  private final GenerationSettings settings;
  private final UniformSource uniforms;
  private final int texts;
  private final KeyValueCache cache;
  private final StreamGroup group;
  private final Activations activations;
  private final Sample.Settings sampling;
  private final double[] draws;
  private final int[] drawn;
  private final int[] rows;
  private final List<Text> active = new ArrayList<>();
  private final List<Integer> free = new ArrayList<>();

  /**
   * @param texts how many at once
   * @param buffers holds all memory of the worker
   */
  StreamWorker(
      TunedDecoder model,
      Prefixes prefixes,
      GenerationSettings settings,
      int texts,
      UniformSource uniforms,
      TensorArena buffers) {
    decoder = model.decoder();
    tuned = model.tuned();
    this.prefixes = prefixes;
    this.settings = settings;
    this.texts = texts;
    this.uniforms = uniforms;
    Kernels kernels = decoder.kernels();
    int streams = settings.guided() ? 2 * texts : texts;
    int length = prefixes.longest() + settings.maxNewTokens() - 1;
    int headRows = Math.min(streams, Activations.HEAD_ROWS);
    cache = new KeyValueCache(decoder.config(), streams, length, kernels, buffers);
    group = new StreamGroup(cache, streams, streams, buffers);
    activations =
        new Activations(
            decoder.config(),
            kernels,
            streams,
            headRows,
            model.rank(),
            Activations.Purpose.FORWARD,
            buffers);
    sampling = settings.sampling();
    draws = new double[headRows];
    drawn = new int[headRows];
    rows = new int[streams];
    for (int place = texts - 1; place >= 0; place--) {
      free.add(place);
    }
  }

  /**
   * Works until there are no requests left.
   *
   * @param requests the next one, or null
   */
  void run(Supplier<Request> requests, Consumer<Result> results, BooleanSupplier stopped) {
    while (!stopped.getAsBoolean()) {
      while (!free.isEmpty()) {
        Request request = requests.get();
        if (request == null) {
          break;
        }
        start(request, free.removeLast());
      }
      if (active.isEmpty()) {
        return;
      }
      read();
      extend();
      finish(results);
    }
  }

  private void start(Request request, int place) {
    Text text = new Text(request, place, settings.maxNewTokens());
    prefixes.load(request.prefix(), cache, place);
    text.last = prefixes.last(request.prefix());
    if (settings.guided()) {
      prefixes.load(request.generic(), cache, texts + place);
      text.lastGeneric = prefixes.last(request.generic());
    }
    active.add(text);
  }

  /** Takes the last token of every stream through the model. */
  private void read() {
    group.clear();
    for (Text text : active) {
      int position = prefixes.length(text.request.prefix()) + text.length;
      group.add(text.place, position, text.last);
    }
    if (settings.guided()) {
      for (Text text : active) {
        int position = prefixes.length(text.request.generic()) + text.length;
        group.add(texts + text.place, position, text.lastGeneric);
      }
    }
    decoder.decode(group, tuned, activations);
  }

  /** Draws the next token of every text. */
  private void extend() {
    int most = settings.guided() ? Activations.HEAD_ROWS / 2 : Activations.HEAD_ROWS;
    for (int first = 0; first < active.size(); first += most) {
      int count = Math.min(most, active.size() - first);
      for (int i = 0; i < count; i++) {
        Text text = active.get(first + i);
        rows[i] = first + i;
        if (settings.guided()) {
          rows[count + i] = active.size() + first + i;
        }
        draws[i] = uniforms.at(text.request.index(), text.length);
      }
      int wanted = settings.guided() ? 2 * count : count;
      Tensor logits = decoder.logits(rows, 0, wanted, activations);
      Tensor generic = settings.guided() ? logits.rows(count, count) : null;
      decoder.kernels().sample().forward(logits.rows(0, count), generic, sampling, draws, drawn);
      for (int i = 0; i < count; i++) {
        Text text = active.get(first + i);
        int token = drawn[i];
        text.tokens[text.length++] = token;
        text.last = token;
        text.lastGeneric = token;
      }
    }
  }

  private void finish(Consumer<Result> results) {
    for (int i = active.size() - 1; i >= 0; i--) {
      Text text = active.get(i);
      boolean ended = settings.endTokens().contains(text.last);
      if (ended || text.length == settings.maxNewTokens()) {
        int length = ended ? text.length - 1 : text.length;
        // Order among the active does not matter, so the hole is filled with the last.
        Text moved = active.removeLast();
        if (moved != text) {
          active.set(i, moved);
        }
        free.add(text.place);
        results.accept(new Result(text.request.index(), Arrays.copyOf(text.tokens, length), ended));
      }
    }
  }
}
