package org.apache.spark.sql.api.java;

public interface UDF3<T1, T2, T3, R> extends java.io.Serializable {
    R call(T1 value1, T2 value2, T3 value3) throws Exception;
}
