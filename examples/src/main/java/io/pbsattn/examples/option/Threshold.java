package io.pbsattn.examples.option;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads the share of attention to keep: a number from 0 to 1, or {@code all} for every block. */
final class Threshold implements ITypeConverter<Double> {

    private static final String ALL = "all";

    /** {@inheritDoc} */
    @Override
    public Double convert(String value) {
        if (ALL.equals(value)) {
            return 1.0;
        }
        double number;
        try {
            number = Double.parseDouble(value);
        } catch (NumberFormatException e) {
            number = Double.NaN;
        }
        if (!(number >= 0 && number <= 1)) {
            throw new TypeConversionException(
                    "expected a number from 0 to 1 or 'all', found '" + value + "'");
        }
        return number;
    }
}
