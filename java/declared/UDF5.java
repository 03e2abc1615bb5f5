package org.apache.spark.sql.api.java;

public interface UDF5<T1, T2, T3, T4, T5, R> extends java.io.Serializable {
    R call(T1 value1, T2 value2, T3 value3, T4 value4, T5 value5) throws Exception;
}
