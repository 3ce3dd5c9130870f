package io.pbsattn.examples.option;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads options whose values are whole numbers from 1 on; others are wrong usage. */
public final class PositiveNumber implements ITypeConverter<Integer> {

    /** {@inheritDoc} */
    @Override
    public Integer convert(String value) {
        int number;
        try {
            number = Integer.parseInt(value);
        } catch (NumberFormatException e) {
            number = 0;
        }
        if (number < 1) {
            throw new TypeConversionException(
                    "expected a whole number from 1 on, found '" + value + "'");
        }
        return number;
    }
}
