package palimpsest.synth.text;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/** A file's bytes, unpacked if its name says gzip, with a cap on their number. */
final class CappedInput extends FilterInputStream {
  private final String name;
  private final RecordOptions.Limits limits;
  private long bytes;

  private CappedInput(String name, InputStream in, RecordOptions.Limits limits) {
    super(in);
    this.name = name;
    this.limits = limits;
  }

  /**
   * Opens a file: as gzip exactly when its name ends in .gz. Its first bytes have no say, since
   * they may be a record's.
   *
   * @throws InputException if it is a folder, or gzip by its name and nothing that can be unpacked
   */
  static CappedInput open(Path path, RecordOptions.Limits limits) throws IOException {
    String name = path.toString();
    if (Files.isDirectory(path)) {
      throw new InputException(name + ": is a folder; name a file");
    }
    boolean gzip = name.toLowerCase(Locale.ROOT).endsWith(".gz");
    InputStream file = new BufferedInputStream(Files.newInputStream(path), 1 << 16);
    try {
      return new CappedInput(name, gzip ? new GZIPInputStream(file, 1 << 16) : file, limits);
    } catch (ZipException | EOFException _) {
      file.close();
      throw damaged(name);
    } catch (IOException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  private static InputException damaged(String name) {
    return new InputException(
        name
            + ": ends in .gz and cannot be unpacked; pack it again, or rename it if it is no gzip");
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
  }

  @Override
  public int read(byte[] buffer, int from, int length) throws IOException {
    int count;
    try {
      count = super.read(buffer, from, length);
    } catch (ZipException | EOFException _) {
      throw damaged(name);
    }
    bytes += Math.max(0, count);
    if (bytes > limits.fileBytes()) {
      throw new InputException(
          name + ": over " + limits.fileBytes() + " bytes when unpacked; split it");
    }
    return count;
  }
}
