package palimpsest.synth.text;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.zip.GZIPInputStream;

/** Files of public text, for training without privacy: whole, or cut into documents. */
public final class PublicText {
  private static final int MAX_BYTES = 1 << 30;

  private PublicText() {}

  /**
   * The documents of a file, gzip if its name ends in .gz: the whole file, or what stands between
   * lines that are exactly {@code separator}. Documents of white space alone are left out.
   *
   * @throws InputException if the file cannot be read, is larger than 1 GiB unpacked, or has no
   *     text
   */
  public static List<byte[]> documents(Path file, Optional<String> separator) {
    byte[] all = read(file);
    List<byte[]> documents = new ArrayList<>();
    if (separator.isEmpty()) {
      add(all, 0, all.length, documents);
    } else {
      split(all, Utf8.encode(separator.get()), documents);
    }
    if (documents.isEmpty()) {
      throw new InputException(file + ": there is no text in it");
    }
    return documents;
  }

  private static byte[] read(Path file) {
    try (InputStream raw = Files.newInputStream(file);
        InputStream in = file.toString().endsWith(".gz") ? new GZIPInputStream(raw) : raw) {
      byte[] bytes = in.readNBytes(MAX_BYTES + 1);
      if (bytes.length > MAX_BYTES) {
        throw new InputException(file + ": is larger than 1 GiB; give it in parts");
      }
      return bytes;
    } catch (IOException e) {
      throw InputException.unreadable(file.toString(), e);
    }
  }

  private static void split(byte[] all, byte[] separator, List<byte[]> documents) {
    int begin = 0;
    for (int line = 0; line < all.length; ) {
      int end = line;
      while (end < all.length && all[end] != '\n') {
        end++;
      }
      int next = Math.min(end + 1, all.length);
      int text = end > line && all[end - 1] == '\r' ? end - 1 : end;
      if (Arrays.equals(all, line, text, separator, 0, separator.length)) {
        add(all, begin, line, documents);
        begin = next;
      }
      line = next;
    }
    add(all, begin, all.length, documents);
  }

  private static void add(byte[] all, int from, int to, List<byte[]> documents) {
    for (int i = from; i < to; i++) {
      if (all[i] != ' ' && all[i] != '\n' && all[i] != '\r' && all[i] != '\t') {
        documents.add(Arrays.copyOfRange(all, from, to));
        return;
      }
    }
  }
}
