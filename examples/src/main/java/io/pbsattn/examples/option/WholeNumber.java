package io.pbsattn.examples.option;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads options whose values are whole numbers of a range; others are wrong usage. */
abstract class WholeNumber implements ITypeConverter<Integer> {

    private final int least;

    WholeNumber(int least) {
        this.least = least;
    }

    /** {@inheritDoc} */
    @Override
    public Integer convert(String value) {
        long number;
        try {
            number = Integer.parseInt(value);
        } catch (NumberFormatException e) {
            number = Long.MIN_VALUE;
        }
        if (number < least) {
            throw new TypeConversionException(
                    "expected a whole number from " + least + " on, found '" + value + "'");
        }
        return (int) number;
    }
}
