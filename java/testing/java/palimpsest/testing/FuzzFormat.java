package palimpsest.testing;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A file format whose reader is fuzzed.
 *
 * @param name what {@code palimpsest test --fuzz} calls it
 * @param reader the reader under test
 * @param refusals the exceptions by which it says that a file cannot be used; any other is a fault
 * @param secrets ASCII texts in the seeds of which no piece may come out; empty for public files
 * @param seeds files to start from, the first a valid one
 */
public record FuzzFormat(
    String name,
    Reader reader,
    Set<Class<? extends RuntimeException>> refusals,
    List<String> secrets,
    List<byte[]> seeds) {

  /** Reads a file. */
  @FunctionalInterface
  public interface Reader {
    /**
     * @param file its bytes
     * @return what the program may show of it: searched for secrets as its text
     */
    Object read(byte[] file) throws IOException;
  }

  /** A format of public files. */
  @SafeVarargs
  public static FuzzFormat of(
      String name, Reader reader, Class<? extends RuntimeException>... refusals) {
    return new FuzzFormat(name, reader, Set.of(refusals), List.of(), List.of());
  }

  /** The same with texts that must not come out. */
  public FuzzFormat hiding(List<String> texts) {
    return new FuzzFormat(name, reader, refusals, texts, seeds);
  }

  /** The same with more seeds. */
  public FuzzFormat from(byte[]... files) {
    List<byte[]> more = new ArrayList<>(seeds);
    more.addAll(List.of(files));
    return new FuzzFormat(name, reader, refusals, secrets, List.copyOf(more));
  }

  /** The same with more seeds, in UTF-8. */
  public FuzzFormat from(String... files) {
    FuzzFormat result = this;
    for (String file : files) {
      result = result.from(file.getBytes(StandardCharsets.UTF_8));
    }
    return result;
  }
}
