package palimpsest.cli;

import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import palimpsest.privacy.ProtectedUnit;
import palimpsest.synth.text.InputException;
import palimpsest.synth.text.Labels;
import palimpsest.synth.text.RecordOptions;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How a file of private records is to be read; the same words in every command that reads one. */
final class DataOptions {
  @Option(
      names = "--text",
      required = true,
      split = ",",
      paramLabel = "COL",
      description = "Column of the text, by name or number; several, split by commas, are joined.")
  private List<String> text;

  @Option(
      names = "--label",
      paramLabel = "COL",
      description = "Column of the label, if there is one.")
  private String label;

  @Option(
      names = "--label-until",
      paramLabel = "MARK",
      description = "The label ends before this text, such as ':' in 'LOC:city'.")
  private String labelUntil;

  @Option(
      names = "--labels",
      paramLabel = "LIST",
      description =
          "The public list of labels: a,b,c or a file with one label a line, with a tab and a description, and with"
              + " another tab and a weight if the labels are not to be equally frequent.")
  private String labels;

  @Option(
      names = "--labels-are-public",
      description = "Take the labels from the data: a waiver, which the privacy statement repeats.")
  private boolean labelsArePublic;

  @Option(
      names = "--user",
      paramLabel = "COL",
      description =
          "Column that tells whose record it is, under a header by its name: protects people instead of records.")
  private String user;

  @Option(
      names = "--max-records",
      defaultValue = "1",
      paramLabel = "K",
      description = "Records of one user that are used, the first in the file (default 1).")
  private int maxRecords;

  @Option(
      names = "--input-format",
      paramLabel = "F",
      converter = FormatConverter.class,
      description = "csv, tsv, jsonl or label-lines; by the file's name if not given.")
  private RecordOptions.Format format;

  @Option(
      names = "--no-header",
      description = "The first line is a record: columns are numbers from 1.")
  private boolean noHeader;

  @Option(
      names = "--encoding",
      defaultValue = "UTF-8",
      paramLabel = "E",
      description = "UTF-8 (default), ISO-8859-1 or windows-1252.")
  private Charset encoding;

  /** How the file's records are read. */
  RecordOptions records() {
    if (label != null && text.contains(label)) {
      throw new InputException(
          "--text and --label both name column " + label + "; the label would be learned as text");
    }
    RecordOptions options =
        RecordOptions.of(text, label).withHeader(!noHeader).withCharset(encoding);
    if (format != null) {
      options = options.withFormat(format);
    }
    if (labelUntil != null) {
      options = options.withLabelUntil(labelUntil);
    }
    return user == null ? options : options.withUser(user, maxRecords);
  }

  /** The list that the owner declared public, or nothing if the owner gave no list. */
  Optional<Labels> declaredLabels() {
    if (label == null) {
      return Optional.of(Labels.single());
    }
    return Optional.ofNullable(labels).map(DataOptions::labels);
  }

  /**
   * A public list: names split by commas, or a file with one label a line. What is neither is more
   * likely a misspelt file than a list of one.
   */
  static Labels labels(String list) {
    if (list.contains(",") && !Files.exists(Path.of(list))) {
      return Labels.of(Arrays.asList(list.split(",")));
    }
    if (!Files.isRegularFile(Path.of(list))) {
      throw new InputException(
          "labels: there is no file "
              + list
              + "; give a file with one label a line, or names split by commas");
    }
    return Labels.read(Path.of(list));
  }

  /** Whether the records have labels. */
  boolean hasLabel() {
    return label != null;
  }

  /** Whether the owner waived the protection of which labels occur. */
  boolean labelsArePublic() {
    return labelsArePublic;
  }

  /**
   * The labels of a private run.
   *
   * @throws InputException if there is neither a list nor the waiver
   */
  Labels labels(Path data) {
    return declaredLabels()
        .orElseGet(() -> {
          if (!labelsArePublic) {
            throw new InputException(
                "labels: give the public list with --labels a,b,c or a file, or state the waiver"
                    + " --labels-are-public");
          }
          return Labels.fromData(data, records());
        });
  }

  /** Whom a run on this data protects. */
  ProtectedUnit unit() {
    return user == null ? ProtectedUnit.RECORD : ProtectedUnit.USER;
  }

  /** Records of one protected unit. */
  int recordsPerUnit() {
    return user == null ? 1 : maxRecords;
  }

  static final class FormatConverter
      implements picocli.CommandLine.ITypeConverter<RecordOptions.Format> {
    @Override
    public RecordOptions.Format convert(String text) {
      for (RecordOptions.Format format : RecordOptions.Format.values()) {
        if (format.name().toLowerCase(Locale.ROOT).replace('_', '-').equals(text)) {
          return format;
        }
      }
      throw new TypeConversionException("'" + text + "' is not csv, tsv, jsonl or label-lines");
    }
  }
}
