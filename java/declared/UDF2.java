package org.apache.spark.sql.api.java;

public interface UDF2<T1, T2, R> extends java.io.Serializable {
    R call(T1 value1, T2 value2) throws Exception;
}
