package io.pbsattn.zoo.jinja;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;

/** A parsed expression, evaluated with the variables of an interpreter's scope. */
interface Expression {

    Object evaluate(JinjavaInterpreter interpreter);
}
