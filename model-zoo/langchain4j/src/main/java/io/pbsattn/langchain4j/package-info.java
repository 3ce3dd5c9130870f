/** Models of the zoo behind LangChain4j's interfaces. */
package io.pbsattn.langchain4j;
