package palimpsest.engine.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A whole file mapped read-only; its memory is gone after {@link #close}. */
final class MappedFile implements AutoCloseable {
  private final Path path;
  private final Arena arena;
  private final MemorySegment segment;

  private MappedFile(Path path, Arena arena, MemorySegment segment) {
    this.path = path;
    this.arena = arena;
    this.segment = segment;
  }

  /**
   * @throws ModelFileException if there is no such regular file or it cannot be read
   */
  static MappedFile open(Path path) {
    if (!Files.isRegularFile(path)) {
      throw new ModelFileException("no such file: " + path);
    }
    Arena arena = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      MemorySegment segment =
          size == 0
              ? MemorySegment.NULL
              : channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
      return new MappedFile(path, arena, segment);
    } catch (IOException e) {
      arena.close();
      throw new ModelFileException("cannot read " + path, e);
    }
  }

  Path path() {
    return path;
  }

  MemorySegment segment() {
    return segment;
  }

  long size() {
    return segment.byteSize();
  }

  ModelFileException refuse(String problem) {
    return new ModelFileException(path + ": " + problem);
  }

  @Override
  public void close() {
    arena.close();
  }
}
