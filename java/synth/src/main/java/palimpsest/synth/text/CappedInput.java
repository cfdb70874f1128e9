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

/**
 * A file's bytes, unpacked if its name says gzip, with caps on their number and on the packing
 * ratio.
 */
final class CappedInput extends FilterInputStream {
  /** Ratios below this are not looked at: a small file may well pack better than any cap. */
  private static final long RATIO_FROM = 64L << 20;

  private final String name;
  private final Counter packed;
  private final RecordOptions.Limits limits;
  private final boolean gzip;
  private long bytes;

  private CappedInput(
      String name, InputStream in, Counter packed, RecordOptions.Limits limits, boolean gzip) {
    super(in);
    this.name = name;
    this.packed = packed;
    this.limits = limits;
    this.gzip = gzip;
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
    Counter packed = new Counter(new BufferedInputStream(Files.newInputStream(path), 1 << 16));
    try {
      InputStream in = gzip ? new GZIPInputStream(packed, 1 << 16) : packed;
      return new CappedInput(name, in, packed, limits, gzip);
    } catch (ZipException | EOFException _) {
      packed.close();
      throw damaged(name);
    } catch (IOException | RuntimeException e) {
      packed.close();
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
    if (gzip && bytes > RATIO_FROM && bytes / limits.gzipRatio() > packed.bytes) {
      throw new InputException(
          name + ": unpacks to over " + limits.gzipRatio() + " times its size; unpack it yourself");
    }
    return count;
  }

  private static final class Counter extends FilterInputStream {
    private long bytes;

    Counter(InputStream in) {
      super(in);
    }

    @Override
    public int read() throws IOException {
      int b = super.read();
      bytes += b < 0 ? 0 : 1;
      return b;
    }

    @Override
    public int read(byte[] buffer, int from, int length) throws IOException {
      int count = super.read(buffer, from, length);
      bytes += Math.max(0, count);
      return count;
    }
  }
}
