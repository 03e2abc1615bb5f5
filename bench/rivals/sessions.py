"""Sessions of engines as the benchmarks beside this file start them: a number of workers, nothing shown, ready to work."""

import contextlib


@contextlib.contextmanager
def ray_session(workers, store_bytes):
    import ray

    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, object_store_memory=store_bytes)
    yield ray
    ray.shutdown()


@contextlib.contextmanager
def ray_data(workers, store_bytes):
    """Such a session, in which Ray Data has run."""
    with ray_session(workers, store_bytes) as ray:
        import ray.data

        ray.data.DataContext.get_current().enable_progress_bars = False
        ray.data.range(10).materialize()
        yield ray


@contextlib.contextmanager
def spark_session(workers, memory, **config):
    """A process of Java, whose threads are the workers, with the Python processes that they start."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{workers}]").config("spark.driver.memory", memory)
    spark = builder.config(map={"spark.ui.enabled": "false", "spark.log.level": "ERROR", **config}).getOrCreate()
    spark.range(10).count()
    yield spark
    spark.stop()
