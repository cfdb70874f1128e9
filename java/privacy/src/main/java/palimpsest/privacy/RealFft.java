package palimpsest.privacy;

/**
 * Discrete Fourier transform of 2^k real numbers in double precision, by a complex transform of
 * half the length. Immutable; the arrays belong to the caller.
 *
 * <p>A spectrum of n reals is stored in n doubles: [0] = bin 0, [1] = bin n/2 (both real), then
 * real and imaginary part of bins 1 .. n/2 - 1.
 */
final class RealFft {
  private final int half;
  private final double[] cos;
  private final double[] sin;

  /** A transform of {@code length} reals, a power of two of at least 4. */
  RealFft(int length) {
    if (length < 4 || Integer.bitCount(length) != 1) {
      throw new IllegalArgumentException(
          "fft: length is " + length + ", must be a power of two of at least 4");
    }
    half = length / 2;
    cos = new double[half];
    sin = new double[half];
    for (int i = 0; i < half; i++) {
      cos[i] = Math.cos(2 * Math.PI * i / length);
      sin[i] = Math.sin(2 * Math.PI * i / length);
    }
  }

  /** Replaces 2 * half reals by their spectrum. */
  void forward(double[] a) {
    complex(a, -1);
    double first = a[0];
    a[0] = first + a[1];
    a[1] = first - a[1];
    for (int i = 1, j = half - 1; i <= j; i++, j--) {
      split(a, i, j, -1);
    }
  }

  /** Replaces a spectrum by the reals it belongs to. */
  void inverse(double[] a) {
    double first = a[0];
    a[0] = 0.5 * (first + a[1]);
    a[1] = 0.5 * (first - a[1]);
    for (int i = 1, j = half - 1; i <= j; i++, j--) {
      split(a, i, j, 1);
    }
    complex(a, 1);
    double scale = 1.0 / half;
    for (int i = 0; i < 2 * half; i++) {
      a[i] *= scale;
    }
  }

  /**
   * Turns bins i and half - i of the half-length complex transform into those of the real one, or
   * back (sign +1).
   */
  private void split(double[] a, int i, int j, int sign) {
    double evenRe = 0.5 * (a[2 * i] + a[2 * j]);
    double evenIm = 0.5 * (a[2 * i + 1] - a[2 * j + 1]);
    double diffRe = 0.5 * (a[2 * i] - a[2 * j]);
    double diffIm = 0.5 * (a[2 * i + 1] + a[2 * j + 1]);
    double wr = cos[i];
    double wi = sign * sin[i];
    // odd = sign * i * w * diff
    double oddRe = -sign * (wr * diffIm + wi * diffRe);
    double oddIm = sign * (wr * diffRe - wi * diffIm);
    a[2 * i] = evenRe + oddRe;
    a[2 * i + 1] = evenIm + oddIm;
    a[2 * j] = evenRe - oddRe;
    a[2 * j + 1] = oddIm - evenIm;
  }

  /** In-place complex transform of length half with kernel exp(sign 2 pi i jk / half), unscaled. */
  private void complex(double[] a, int sign) {
    reverseBits(a);
    for (int i = 0; i + 1 < half; i += 2) {
      butterfly(a, 2 * i, 2 * i + 2);
    }
    for (int size = 4; size <= half; size *= 2) {
      stage(a, size, sign);
    }
  }

  private static void butterfly(double[] a, int p, int q) {
    double re = a[q];
    double im = a[q + 1];
    a[q] = a[p] - re;
    a[q + 1] = a[p + 1] - im;
    a[p] += re;
    a[p + 1] += im;
  }

  private void stage(double[] a, int size, int sign) {
    int span = size / 2;
    int stride = 2 * half / size;
    for (int start = 0; start < half; start += size) {
      for (int k = 0, t = 0; k < span; k++, t += stride) {
        double wr = cos[t];
        double wi = sign * sin[t];
        int p = 2 * (start + k);
        int q = p + size;
        double re = a[q] * wr - a[q + 1] * wi;
        double im = a[q] * wi + a[q + 1] * wr;
        a[q] = a[p] - re;
        a[q + 1] = a[p + 1] - im;
        a[p] += re;
        a[p + 1] += im;
      }
    }
  }

  private void reverseBits(double[] a) {
    int shift = Integer.numberOfLeadingZeros(half) + 1;
    for (int i = 1; i < half; i++) {
      int j = Integer.reverse(i) >>> shift;
      if (i < j) {
        double re = a[2 * i];
        double im = a[2 * i + 1];
        a[2 * i] = a[2 * j];
        a[2 * i + 1] = a[2 * j + 1];
        a[2 * j] = re;
        a[2 * j + 1] = im;
      }
    }
  }

  /**
   * Multiplies {@code into} by {@code factor} raised to {@code power} >= 1, bin by bin. Both are
   * spectra.
   */
  static void multiplyPower(double[] into, double[] factor, long power) {
    into[0] *= Math.pow(factor[0], power);
    into[1] *= Math.pow(factor[1], power);
    for (int i = 2; i < into.length; i += 2) {
      double re = into[i];
      double im = into[i + 1];
      double br = factor[i];
      double bi = factor[i + 1];
      for (long e = power; e != 0; e >>= 1) {
        if ((e & 1) != 0) {
          double t = re * br - im * bi;
          im = re * bi + im * br;
          re = t;
        }
        double square = br * br - bi * bi;
        bi = 2 * br * bi;
        br = square;
        if (Math.abs(br) + Math.abs(bi) < 1e-100) {
          // What is left would only underflow, slowly, to zero; when bits of the exponent remain,
          // so does the product.
          if (e > 1) {
            re = 0;
            im = 0;
          }
          break;
        }
      }
      into[i] = re;
      into[i + 1] = im;
    }
  }
}
