package palimpsest.engine.generate;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import palimpsest.engine.model.TunedDecoder;
import palimpsest.engine.parallel.Workers;
import palimpsest.engine.tensor.TensorArena;

/**
 * Samples texts from a decoder, many at once: each worker decodes its share of the streams
 * together, and a finished text's place is taken by the next request at once. A text depends on its
 * request, the weights and its random numbers only: not on the number of streams or workers, nor on
 * the other requests.
 *
 * <p>Not for use by several threads at once.
 */
public final class Generator implements AutoCloseable {
  private final TunedDecoder model;
  private final GenerationSettings settings;
  private final Workers workers;
  private final TensorArena arena = new TensorArena();
  private final Prefixes prefixes;

  /**
   * Reads the prefixes.
   *
   * @param model must not change while the generator is in use
   * @param prefixes what texts continue, each with one token or more; requests name them by place
   */
  public Generator(TunedDecoder model, int[][] prefixes, GenerationSettings settings) {
    this.model = model;
    this.settings = settings;
    workers = new Workers(settings.workers(), "palimpsest-generate");
    try {
      this.prefixes = new Prefixes(model, prefixes, workers, arena);
      int needed = this.prefixes.longest() + settings.maxNewTokens() - 1;
      int available = model.decoder().maxPositions();
      if (needed > available) {
        throw new IllegalArgumentException(
            "the longest prefix and "
                + settings.maxNewTokens()
                + " new tokens need "
                + needed
                + " positions, this decoder has "
                + available);
      }
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  /**
   * Samples every request's text.
   *
   * @param uniforms the randomness
   * @param results receives each text when it is done, in no fixed order, one call at a time, from
   *     the workers' threads
   */
  public void generate(List<Request> requests, UniformSource uniforms, Consumer<Result> results) {
    requests.forEach(this::check);
    AtomicInteger next = new AtomicInteger();
    Consumer<Result> oneByOne =
        result -> {
          synchronized (this) {
            results.accept(result);
          }
        };
    workers.run((worker, stopped) -> {
      int share = share(worker, requests.size());
      if (share > 0) {
        try (TensorArena buffers = new TensorArena()) {
          new StreamWorker(model, prefixes, settings, share, uniforms, buffers)
              .run(
                  () -> {
                    int i = next.getAndIncrement();
                    return i < requests.size() && !stopped.getAsBoolean() ? requests.get(i) : null;
                  },
                  oneByOne,
                  stopped);
        }
      }
    });
  }

  /** How many texts a worker decodes at once. */
  private int share(int worker, int requests) {
    int texts = Math.max(1, settings.streams() / (settings.guided() ? 2 : 1));
    int wanted = Math.min(texts, requests);
    return (wanted + settings.workers() - 1 - worker) / settings.workers();
  }

  private void check(Request request) {
    checkPrefix(request, request.prefix());
    if (settings.guided()) {
      checkPrefix(request, request.generic());
    }
  }

  private void checkPrefix(Request request, int prefix) {
    if (prefix < 0 || prefix >= prefixes.count()) {
      throw new IllegalArgumentException(
          "request "
              + request.index()
              + " names prefix "
              + prefix
              + "; the generator has "
              + prefixes.count()
              + (prefix == Request.NONE ? ", and guidance needs a generic one" : ""));
    }
  }

  @Override
  public void close() {
    workers.close();
    arena.close();
  }
}
