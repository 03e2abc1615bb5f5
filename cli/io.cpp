// io.cpp: the plugin of io.h: all of the C++ in this project, but for csv.cpp and hdfs.cpp.
//
// A reader is a chain of files, each read batch by batch, so that memory holds a few batches whatever the file's size;
// a writer cuts row groups by bytes, so that ten thousand columns need no more memory than four. No exception leaves
// this file: Arrow gives statuses, what the standard library may throw becomes NO_MEMORY.
#include "io.h"

#include "csv.hpp"
#include "hdfs.hpp"

#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <arrow/compute/api.h>
#include <arrow/csv/api.h>
#include <arrow/filesystem/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <arrow/util/config.h>
#include <arrow/util/io_util.h>
#include <arrow/util/thread_pool.h>
#include <arrow/util/value_parsing.h>
#if ARROW_VERSION_MAJOR >= 21
#include <arrow/compute/initialize.h>
#endif
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

using arrow::Result;
using arrow::Status;
using std::shared_ptr;
using std::string;
using std::vector;

namespace
{

constexpr int64_t batch_bytes = 64 << 20;      // of one batch, guessed from the number of columns
constexpr int64_t wide_batch_bytes = 16 << 20; // of one batch, where a file's metadata tells how wide its rows are
constexpr int64_t row_group_bytes = 256 << 20; // of one row group before compression, guessed likewise
constexpr int64_t row_group_rows = 1 << 20;
constexpr int32_t csv_peek_bytes = 4 << 20;

// ---------------------------------------------------------------------------------------------------------- Errors --

// A name without the keys that it may hold: s3://key:secret@bucket/... becomes s3://bucket/...
string shown(const string &uri)
{
    size_t scheme = uri.find("://");
    size_t at = uri.find('@');
    size_t slash = scheme == string::npos ? string::npos : uri.find('/', scheme + 3);
    if (scheme == string::npos || at == string::npos || at > slash) return uri;
    return uri.substr(0, scheme + 3) + uri.substr(at + 1);
}

ucid_status status_of(const Status &status)
{
    if (status.IsOutOfMemory()) return UCID_NO_MEMORY;
    if (status.IsNotImplemented()) return UCID_UNSUPPORTED_FORMAT;
    if (status.IsIOError()) {
        int number = arrow::internal::ErrnoFromStatus(status);
        if (number == ENOENT || number == EACCES || number == EISDIR || number == ENOTDIR) return UCID_FILE_NOT_FOUND;
        return UCID_IO_ERROR;
    }
    if (status.IsUnknownError()) return UCID_INTERNAL_ERROR;
    return UCID_DATA_ERROR;
}

ucid_status fail(ucid_error *error, ucid_status status, const string &message)
{
    if (error == nullptr) return status;
    error->status = status;
    error->row = -1;
    error->byte = -1;
    error->field = 0;
    size_t length = std::min(message.size(), sizeof error->message - 1);
    while (length < message.size() && length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0) == 0x80)
        length--;
    memcpy(error->message, message.data(), length);
    error->message[length] = '\0';
    std::replace(error->message, error->message + length, '\n', ' ');
    return status;
}

ucid_status fail(ucid_error *error, const string &uri, const Status &status)
{
    string text = status.message();
    if (size_t end = text.find('\n'); end != string::npos) text.resize(end);
    if (int number = arrow::internal::ErrnoFromStatus(status); number != 0) text = strerror(number);
    return fail(error, status_of(status), shown(uri) + ": " + text);
}

// Run what may throw.
template <typename Fn> ucid_status guarded(const string &uri, ucid_error *error, Fn fn)
{
    try {
        Status status = fn();
        return status.ok() ? UCID_OK : fail(error, uri, status);
    } catch (const std::bad_alloc &) {
        return fail(error, UCID_NO_MEMORY, shown(uri) + ": out of memory");
    } catch (const std::exception &problem) {
        return fail(error, uri, Status::Invalid(problem.what()));
    }
}

// ----------------------------------------------------------------------------------------------------- File systems --

bool is_local(const string &uri) { return uri.find("://") == string::npos || uri.rfind("file://", 0) == 0; }

// S3 is a library of its own, beside libarrow.
Status load_s3()
{
    static std::once_flag once;
    static Status status;
    std::call_once(once, [] {
#if ARROW_VERSION_MAJOR >= 20
        Dl_info info;
        if (dladdr(reinterpret_cast<void *>(&arrow::GetBuildInfo), &info) == 0) return;
        string path = info.dli_fname;
        size_t slash = path.rfind('/');
        string file = path.substr(slash + 1);
        size_t dot = file.find(".so");
        path = path.substr(0, slash + 1) + "libarrow_s3" + file.substr(dot);
        if (access(path.c_str(), R_OK) == 0) status = arrow::fs::LoadFileSystemFactories(path.c_str());
#endif
    });
    return status;
}

// gs:// as Arrow wants it: STORAGE_EMULATOR_HOST, which Google's own libraries ask, names a server without
// credentials; and a server that does not answer is waited for a minute, not fifteen.
string gs_uri(string uri)
{
    auto add = [&uri](const string &option) { uri += (uri.find('?') == string::npos ? "?" : "&") + option; };
    const char *emulator = getenv("STORAGE_EMULATOR_HOST");
    if (emulator != nullptr && *emulator != '\0' && uri.find("endpoint_override=") == string::npos) {
        string host = emulator;
        size_t scheme = host.find("://");
        add("scheme=" + (scheme == string::npos ? "http" : host.substr(0, scheme)));
        host = scheme == string::npos ? host : host.substr(scheme + 3);
        add("endpoint_override=" + host.substr(0, host.find('/')));
        if (uri.find('@') == string::npos) uri.insert(strlen("gs://"), "anonymous@");
    }
    if (uri.find("retry_limit_seconds=") == string::npos) add("retry_limit_seconds=60");
    return uri;
}

struct place {
    shared_ptr<arrow::fs::FileSystem> fs;
    string path;
};

Result<place> place_of(const string &uri)
{
    if (uri.rfind("s3://", 0) == 0) ARROW_RETURN_NOT_OK(load_s3());
    place found;
    if (uri.find("://") == string::npos) {
        found.fs = std::make_shared<arrow::fs::LocalFileSystem>();
        found.path = uri;
    } else if (uri.rfind("hdfs://", 0) == 0 || uri.rfind("webhdfs://", 0) == 0) {
        ARROW_ASSIGN_OR_RAISE(found.fs, open_hdfs(uri, &found.path));
    } else if (uri.rfind("gs://", 0) == 0) {
        ARROW_ASSIGN_OR_RAISE(found.fs, arrow::fs::FileSystemFromUri(gs_uri(uri), &found.path));
    } else {
        ARROW_ASSIGN_OR_RAISE(found.fs, arrow::fs::FileSystemFromUri(uri, &found.path));
    }
    return found;
}

// --------------------------------------------------------------------------------------------------------- Formats --

const char *format_of_name(string name)
{
    name = name.substr(0, name.find('?'));
    auto ends = [&name](const char *ending) {
        size_t length = strlen(ending);
        return name.size() >= length && name.compare(name.size() - length, length, ending) == 0;
    };
    if (ends(".parquet") || ends(".geoparquet") || ends(".pq")) return "parquet";
    if (ends(".csv")) return "csv";
    if (ends(".arrow") || ends(".feather") || ends(".ipc")) return "arrow";
    if (ends(".arrows")) return "arrows";
    return nullptr;
}

Result<const char *> format_given(const char *given)
{
    for (const char *known : {"parquet", "csv", "arrow", "arrows"}) {
        if (strcmp(given, known) == 0) return known;
    }
    return Status::NotImplemented("no format '", given, "'; there are parquet, csv, arrow, arrows");
}

Status format_unknown()
{
    return Status::NotImplemented("the name does not tell the format; name it: parquet, csv, arrow, arrows");
}

int64_t rows_within(int64_t bytes, int columns, int64_t most)
{
    return std::clamp<int64_t>(bytes / (8 * static_cast<int64_t>(columns) + 64), 256, most);
}

vector<string> list_of(const char *const *names)
{
    vector<string> list;
    for (; names != nullptr && *names != nullptr; names++) list.emplace_back(*names);
    return list;
}

bool holds(const vector<string> &list, const string &name)
{
    return std::find(list.begin(), list.end(), name) != list.end();
}

struct read_plan {
    const char *format = nullptr;
    bool all_columns = true;
    vector<string> columns, latitudes, longitudes, texts, more_texts, numbers, keys;
    bool all_keys = false; // keys are dictionaries whatever the file is like: another of the table is
    int threads = 1;
    int64_t batch_rows = UCID_IO_BATCH_ROWS;
    bool text = false;
};

// Columns of a schema that the plan wants, in the schema's order.
vector<int> wanted(const arrow::Schema &schema, const read_plan &plan)
{
    vector<int> list;
    for (int i = 0; i < schema.num_fields(); i++) {
        if (plan.all_columns || holds(plan.columns, schema.field(i)->name())) list.push_back(i);
    }
    return list;
}

// ------------------------------------------------------------------------------------------------------------- CSV --

// Numbers of a text column: what is empty is null, what is no number is NaN.
Result<shared_ptr<arrow::Array>> numbers_of(const arrow::Array &array)
{
    const auto &texts = static_cast<const arrow::StringArray &>(array);
    arrow::DoubleBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Reserve(texts.length()));
    for (int64_t i = 0; i < texts.length(); i++) {
        std::string_view text = texts.GetView(i);
        while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
        while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
        if (text.empty() || texts.IsNull(i)) {
            builder.UnsafeAppendNull();
            continue;
        }
        if (text.front() == '+') text.remove_prefix(1);
        double value;
        bool good = arrow::internal::StringToFloat(text.data(), text.size(), '.', &value);
        builder.UnsafeAppend(good ? value : std::nan(""));
    }
    return builder.Finish();
}

struct csv_options {
    arrow::csv::ReadOptions read = arrow::csv::ReadOptions::Defaults();
    arrow::csv::ParseOptions parse = arrow::csv::ParseOptions::Defaults();
    arrow::csv::ConvertOptions convert = arrow::csv::ConvertOptions::Defaults();

    Result<shared_ptr<arrow::csv::StreamingReader>> open(const shared_ptr<arrow::io::InputStream> &input) const
    {
        return arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), input, read, parse, convert);
    }
};

// The text between two marks; empty where they are not there.
string between(const string &text, const string &from, const string &to)
{
    size_t first = text.find(from);
    if (first == string::npos) return "";
    first += from.size();
    size_t last = to.empty() ? text.size() : text.find(to, first);
    return last == string::npos ? "" : text.substr(first, last - first);
}

// Types are inferred from the first block; a value further on that is of another type ends the reading. Arrow tells the
// number of its row only where one thread reads, so a file is read once more, up to there.
Status csv_failure(Status status, const std::optional<place> &where, csv_options options, const arrow::Schema &schema)
{
    if (where.has_value()) {
        options.read.use_threads = false;
        ARROW_ASSIGN_OR_RAISE(shared_ptr<arrow::io::InputStream> input, where->fs->OpenInputStream(where->path));
        ARROW_ASSIGN_OR_RAISE(auto again, options.open(input));
        shared_ptr<arrow::RecordBatch> batch;
        do {
            Status read = again->ReadNext(&batch);
            if (!read.ok()) {
                status = read;
                break;
            }
        } while (batch != nullptr);
    }
    const string text = status.message();
    string row = between(text, "Row #", ":"), column = between(text, "In CSV column #", ":");
    string value = between(text, "invalid value '", "");
    if (!row.empty()) row = "row " + row + " (the header is row 1)";
    if (column.empty() || value.empty()) {
        size_t at = text.find("Row #");
        return row.empty() ? status : status.WithMessage(row, text.substr(text.find(':', at)));
    }
    const auto &field = schema.field(std::stoi(column));
    if (!row.empty()) row += ", ";
    return status.WithMessage(row, "column '", field->name(), "': '", value, " is not ", field->type()->ToString(),
                              ", as the first megabytes are; --text ", field->name(), " reads the column as text");
}

// The columns that are wanted, and numbers made of the texts of coordinates.
struct csv_shape {
    vector<int> chosen;
    vector<size_t> numbers; // of the chosen
    bool text = false;      // numbers are columns of their own
    shared_ptr<arrow::Schema> schema;

    csv_shape(const arrow::Schema &read, const read_plan &plan) : chosen(wanted(read, plan)), text(plan.text)
    {
        arrow::FieldVector fields;
        for (int i : chosen) fields.push_back(read.field(i));
        for (const auto &names : {plan.latitudes, plan.longitudes}) {
            for (const string &name : names) {
                auto at = std::find_if(fields.begin(), fields.end(), [&](const auto &f) { return f->name() == name; });
                if (at == fields.end()) continue;
                numbers.push_back(static_cast<size_t>(at - fields.begin()));
                break;
            }
        }
        for (size_t k : numbers) {
            const string &name = fields[k]->name();
            auto field = arrow::field(plan.text ? name + UCID_IO_HIDDEN : name, arrow::float64());
            if (plan.text) {
                fields.push_back(field);
            } else {
                fields[k] = field;
            }
        }
        schema = arrow::schema(fields);
    }

    // columns: the chosen ones
    Result<shared_ptr<arrow::RecordBatch>> batch_of(int64_t rows, arrow::ArrayVector columns) const
    {
        for (size_t at : numbers) {
            ARROW_ASSIGN_OR_RAISE(auto made, numbers_of(*columns[at]));
            if (text) {
                columns.push_back(made);
            } else {
                columns[at] = made;
            }
        }
        return arrow::RecordBatch::Make(schema, rows, columns);
    }
};

// One block of whole rows by Arrow's reader, on the caller's thread.
Result<shared_ptr<arrow::RecordBatch>> csv_block_of(shared_ptr<arrow::Buffer> rows, csv_options options,
                                                    const csv_shape &shape)
{
    if (shape.chosen.empty()) options.convert.include_columns = {options.read.column_names.front()}; // rows are counted
    options.read.use_threads = false;
    options.read.block_size = static_cast<int32_t>(rows->size()) + 1;
    auto input = std::make_shared<arrow::io::BufferReader>(std::move(rows));
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::csv::TableReader::Make(arrow::io::default_io_context(), input,
                                                                     options.read, options.parse, options.convert));
    ARROW_ASSIGN_OR_RAISE(auto table, reader->Read());
    ARROW_ASSIGN_OR_RAISE(auto batch, table->CombineChunksToBatch());
    return shape.batch_of(batch->num_rows(), shape.chosen.empty() ? arrow::ArrayVector() : batch->columns());
}

// Types are those of the first block, as Arrow's streaming reader has it. That one parses on one thread: the blocks of
// longer files are cut here, and each is read for itself.
class csv_reader final : public arrow::RecordBatchReader
{
  public:
    csv_reader(csv_options options, std::optional<place> where, csv_shape shape, shared_ptr<arrow::Schema> read)
        : options_(std::move(options)), where_(std::move(where)), shape_(std::move(shape)), read_(std::move(read))
    {
    }

    // where: what the input is read from, where that can be read again
    static Result<shared_ptr<arrow::RecordBatchReader>> open(const shared_ptr<arrow::io::InputStream> &input,
                                                             const read_plan &plan, const std::optional<place> &where)
    {
        csv_options options;
        options.read.block_size = csv_peek_bytes;
        options.parse.newlines_in_values = true;
        options.convert.check_utf8 = false; // a row whose text is none has a status of its own
        if (plan.text || holds(plan.more_texts, "*")) options.convert.default_column_type = arrow::utf8();
        for (const auto &list : {plan.latitudes, plan.longitudes, plan.texts, plan.more_texts}) {
            for (const string &name : list) options.convert.column_types[name] = arrow::utf8();
        }
        for (const string &name : plan.numbers) options.convert.column_types[name] = arrow::float64();
        ARROW_ASSIGN_OR_RAISE(auto buffered, arrow::io::BufferedInputStream::Create(
                                                 csv_peek_bytes + 1, arrow::default_memory_pool(), input));
        ARROW_ASSIGN_OR_RAISE(std::string_view start, buffered->Peek(csv_peek_bytes));
        vector<string> names = csv_header(start);
        size_t whole = start.size() == csv_peek_bytes ? ucid_csv_rows(start.data(), start.size()) : 0;
        std::set<string> different(names.begin(), names.end());
        bool long_one = whole > 0 && !names.empty() && different.size() == names.size();
        shared_ptr<arrow::io::InputStream> first = buffered;
        if (long_one) {
            first =
                std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(string(start.substr(0, whole))));
        }
        ARROW_ASSIGN_OR_RAISE(auto streaming, options.open(first));
        shared_ptr<arrow::Schema> read = streaming->schema();
        csv_shape shape(*read, plan);
        if (!long_one) {
            auto reader = std::make_shared<csv_reader>(options, where, shape, read);
            reader->inner_ = streaming;
            return reader;
        }
        options.read.column_names = names;
        for (const auto &field : read->fields()) options.convert.column_types[field->name()] = field->type();
        for (int i : shape.chosen) options.convert.include_columns.push_back(read->field(i)->name());
        auto reader = std::make_shared<csv_reader>(options, std::nullopt, shape, read);
        auto decode = [options, shape](shared_ptr<arrow::Buffer> rows) {
            return csv_block_of(std::move(rows), options, shape);
        };
        ARROW_ASSIGN_OR_RAISE(reader->inner_, csv_open_blocks(buffered, shape.schema, decode, plan.threads));
        reader->shaped_ = true;
        return reader;
    }

    shared_ptr<arrow::Schema> schema() const override { return shape_.schema; }

    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        shared_ptr<arrow::RecordBatch> read;
        Status status = inner_->ReadNext(&read);
        if (!status.ok()) return csv_failure(status, where_, options_, *read_);
        if (read == nullptr || shaped_) {
            *batch = read;
            return Status::OK();
        }
        arrow::ArrayVector columns;
        for (int i : shape_.chosen) columns.push_back(read->column(i));
        ARROW_ASSIGN_OR_RAISE(*batch, shape_.batch_of(read->num_rows(), columns));
        return Status::OK();
    }

  private:
    csv_options options_;
    std::optional<place> where_;
    csv_shape shape_;
    shared_ptr<arrow::Schema> read_; // with all columns
    shared_ptr<arrow::RecordBatchReader> inner_;
    bool shaped_ = false; // batches come as they shall be
};

// --------------------------------------------------------------------------------------------------------- Readers --

// The file reader must live as long as its batches are read.
class parquet_reader final : public arrow::RecordBatchReader
{
  public:
    static Result<shared_ptr<arrow::RecordBatchReader>> open(const shared_ptr<arrow::io::RandomAccessFile> &input,
                                                             const read_plan &plan, int64_t *rows)
    {
        auto reader = std::make_shared<parquet_reader>();
        parquet::ReaderProperties properties;
        properties.enable_buffered_stream();
        properties.set_buffer_size(1 << 20);
        parquet::ArrowReaderProperties arrow_properties(/*use_threads=*/true);
        arrow_properties.set_pre_buffer(false);
        parquet::arrow::FileReaderBuilder builder;
        ARROW_RETURN_NOT_OK(builder.Open(input, properties));
        auto metadata = builder.raw_reader()->metadata();
        *rows = metadata->num_rows();
        vector<int> groups(static_cast<size_t>(metadata->num_row_groups()));
        for (size_t i = 0; i < groups.size(); i++) groups[i] = static_cast<int>(i);
        vector<int> chosen; // leaves of the wanted columns: a nested column has several
        for (int i = 0; i < metadata->num_columns(); i++) {
            if (plan.all_columns || holds(plan.columns, metadata->schema()->GetColumnRoot(i)->name())) {
                chosen.push_back(i);
            }
        }
        for (int i : chosen) {
            const auto *column = metadata->schema()->Column(i);
            bool text = column->logical_type()->is_string() && column->path()->ToDotVector().size() == 1;
            if (text && holds(plan.keys, column->name()) && (plan.all_keys || repeats(*metadata, i))) {
                arrow_properties.set_read_dictionary(i, true);
            }
        }
        int64_t most = rows_within(batch_bytes, metadata->num_columns(), plan.batch_rows);
        arrow_properties.set_batch_size(std::clamp<int64_t>(wide_batch_bytes / row_bytes(*metadata, chosen), 1, most));
        builder.properties(arrow_properties);
        ARROW_ASSIGN_OR_RAISE(reader->file_, builder.Build());
        ARROW_ASSIGN_OR_RAISE(reader->inner_, reader->file_->GetRecordBatchReader(groups, chosen));
        reader->schema_ = reader->inner_->schema();
        return reader;
    }

    shared_ptr<arrow::Schema> schema() const override { return schema_; }

    // What decoding took is given back as soon as all is read: the stream may live on while its rows are worked on.
    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        batch->reset();
        if (inner_ == nullptr) return Status::OK();
        ARROW_RETURN_NOT_OK(inner_->ReadNext(batch));
        if (*batch == nullptr) {
            inner_.reset();
            file_.reset();
            arrow::default_memory_pool()->ReleaseUnused();
        }
        return Status::OK();
    }

  private:
    // Whether texts lie behind a dictionary in all row groups: by itself the length of one takes four bytes.
    static bool repeats(const parquet::FileMetaData &metadata, int leaf)
    {
        for (int group = 0; group < metadata.num_row_groups(); group++) {
            auto of_group = metadata.RowGroup(group);
            if (of_group->ColumnChunk(leaf)->total_uncompressed_size() >= 3 * of_group->num_rows()) return false;
        }
        return true;
    }

    // Of a row, on the average.
    static int64_t row_bytes(const parquet::FileMetaData &metadata, const vector<int> &leaves)
    {
        int64_t bytes = 0;
        for (int group = 0; group < metadata.num_row_groups(); group++) {
            auto of_group = metadata.RowGroup(group);
            for (int i : leaves) bytes += of_group->ColumnChunk(i)->total_uncompressed_size();
        }
        return std::max<int64_t>(bytes / std::max<int64_t>(metadata.num_rows(), 1), 1);
    }

    std::unique_ptr<parquet::arrow::FileReader> file_;
    std::unique_ptr<arrow::RecordBatchReader> inner_; // none: all is read
    shared_ptr<arrow::Schema> schema_;
};

// An IPC file is given batch by batch; its batches are as long as they were written.
class ipc_file_reader final : public arrow::RecordBatchReader
{
  public:
    static Result<shared_ptr<arrow::RecordBatchReader>> open(const shared_ptr<arrow::io::RandomAccessFile> &input,
                                                             int64_t *rows)
    {
        auto reader = std::make_shared<ipc_file_reader>();
        ARROW_ASSIGN_OR_RAISE(reader->file_, arrow::ipc::RecordBatchFileReader::Open(input));
        ARROW_ASSIGN_OR_RAISE(*rows, reader->file_->CountRows());
        return reader;
    }

    shared_ptr<arrow::Schema> schema() const override { return file_->schema(); }
    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        batch->reset();
        if (next_ == file_->num_record_batches()) return Status::OK();
        return file_->ReadRecordBatch(next_++).Value(batch);
    }

  private:
    shared_ptr<arrow::ipc::RecordBatchFileReader> file_;
    int next_ = 0;
};

// The wanted columns of another reader.
class chosen_reader final : public arrow::RecordBatchReader
{
  public:
    chosen_reader(shared_ptr<arrow::RecordBatchReader> inner, vector<int> chosen)
        : inner_(std::move(inner)), chosen_(std::move(chosen))
    {
        arrow::FieldVector fields;
        for (int i : chosen_) fields.push_back(inner_->schema()->field(i));
        schema_ = arrow::schema(fields, inner_->schema()->metadata());
    }

    shared_ptr<arrow::Schema> schema() const override { return schema_; }
    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        ARROW_RETURN_NOT_OK(inner_->ReadNext(batch));
        if (*batch != nullptr) {
            ARROW_ASSIGN_OR_RAISE(*batch, (*batch)->SelectColumns(chosen_));
        }
        return Status::OK();
    }

  private:
    shared_ptr<arrow::RecordBatchReader> inner_;
    vector<int> chosen_;
    shared_ptr<arrow::Schema> schema_;
};

// What goes wrong in a file names it.
class named_reader final : public arrow::RecordBatchReader
{
  public:
    named_reader(shared_ptr<arrow::RecordBatchReader> inner, string name)
        : inner_(std::move(inner)), name_(std::move(name))
    {
    }

    shared_ptr<arrow::Schema> schema() const override { return inner_->schema(); }
    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        Status status = inner_->ReadNext(batch);
        return status.ok() ? status : status.WithMessage(name_, ": ", status.message());
    }

  private:
    shared_ptr<arrow::RecordBatchReader> inner_;
    string name_;
};

// Where it is said what the wanted columns are, the others are not looked at.
Result<shared_ptr<arrow::RecordBatchReader>> open_csv(const shared_ptr<arrow::io::InputStream> &input,
                                                      const read_plan &plan, const std::optional<place> &where)
{
    if (plan.numbers.empty() || plan.all_columns || plan.text) return csv_reader::open(input, plan, where);
    ARROW_ASSIGN_OR_RAISE(auto buffered,
                          arrow::io::BufferedInputStream::Create(1 << 20, arrow::default_memory_pool(), input));
    ARROW_ASSIGN_OR_RAISE(auto start, buffered->Peek(1 << 18));
    vector<string> names = csv_header(start);
    vector<int> chosen;
    vector<csv_column> columns;
    for (size_t i = 0; i < names.size(); i++) {
        if (!holds(plan.columns, names[i])) continue;
        bool number = holds(plan.numbers, names[i]);
        bool text = holds(plan.texts, names[i]) || holds(plan.more_texts, names[i]) || holds(plan.more_texts, "*");
        bool twice = std::count(names.begin(), names.end(), names[i]) != 1;
        if ((!number && !text) || twice) return csv_reader::open(buffered, plan, where);
        chosen.push_back(static_cast<int>(i));
        columns.push_back({names[i], !number});
    }
    if (names.empty()) return csv_reader::open(buffered, plan, where);
    return csv_open(buffered, static_cast<int>(names.size()), chosen, columns, plan.threads);
}

Result<shared_ptr<arrow::RecordBatchReader>> open_stream(const shared_ptr<arrow::io::InputStream> &input,
                                                         const read_plan &plan, const std::optional<place> &where)
{
    if (strcmp(plan.format, "csv") == 0) return open_csv(input, plan, where);
    ARROW_ASSIGN_OR_RAISE(shared_ptr<arrow::RecordBatchReader> reader,
                          arrow::ipc::RecordBatchStreamReader::Open(input));
    if (plan.all_columns) return reader;
    return std::make_shared<chosen_reader>(reader, wanted(*reader->schema(), plan));
}

Result<shared_ptr<arrow::RecordBatchReader>> open_unnamed(const place &where, const read_plan &plan, int64_t *rows)
{
    *rows = -1;
    bool parquet = strcmp(plan.format, "parquet") == 0;
    if (!parquet && strcmp(plan.format, "arrow") != 0) {
        ARROW_ASSIGN_OR_RAISE(shared_ptr<arrow::io::InputStream> input, where.fs->OpenInputStream(where.path));
        return open_stream(input, plan, where);
    }
    ARROW_ASSIGN_OR_RAISE(auto input, where.fs->OpenInputFile(where.path));
    if (parquet) return parquet_reader::open(input, plan, rows);
    ARROW_ASSIGN_OR_RAISE(auto reader, ipc_file_reader::open(input, rows));
    if (plan.all_columns) return reader;
    return std::make_shared<chosen_reader>(reader, wanted(*reader->schema(), plan));
}

Result<shared_ptr<arrow::RecordBatchReader>> open_file(const place &where, const read_plan &plan, int64_t *rows)
{
    ARROW_ASSIGN_OR_RAISE(auto reader, open_unnamed(where, plan, rows));
    return std::make_shared<named_reader>(std::move(reader), where.path);
}

// Files of one schema, one after the other.
class chain_reader final : public arrow::RecordBatchReader
{
  public:
    static Result<shared_ptr<arrow::RecordBatchReader>> open(vector<place> files, const read_plan &plan)
    {
        auto reader = std::make_shared<chain_reader>();
        reader->files_ = std::move(files);
        reader->plan_ = plan;
        int64_t rows;
        ARROW_ASSIGN_OR_RAISE(reader->inner_, open_file(reader->files_[0], plan, &rows));
        reader->schema_ = reader->inner_->schema();
        reader->plan_.keys.clear();
        reader->plan_.all_keys = true;
        for (const auto &field : reader->schema_->fields()) {
            if (field->type()->id() == arrow::Type::DICTIONARY) reader->plan_.keys.push_back(field->name());
        }
        return reader;
    }

    shared_ptr<arrow::Schema> schema() const override { return schema_; }
    Status ReadNext(shared_ptr<arrow::RecordBatch> *batch) override
    {
        for (;;) {
            ARROW_RETURN_NOT_OK(inner_->ReadNext(batch));
            if (*batch != nullptr || next_ == files_.size()) return Status::OK();
            const place &file = files_[next_++];
            int64_t rows;
            ARROW_ASSIGN_OR_RAISE(inner_, open_file(file, plan_, &rows));
            if (!inner_->schema()->Equals(*schema_, /*check_metadata=*/false)) {
                return Status::Invalid(file.path, " has other columns than ", files_[0].path);
            }
        }
    }

  private:
    vector<place> files_;
    read_plan plan_;
    size_t next_ = 1;
    shared_ptr<arrow::RecordBatchReader> inner_;
    shared_ptr<arrow::Schema> schema_;
};

// Files of a folder in the order of their names; hidden ones and those that start with '_' are left out.
Result<vector<place>> files_in(const place &folder, const char *format)
{
    arrow::fs::FileSelector selector;
    selector.base_dir = folder.path;
    selector.recursive = true;
    ARROW_ASSIGN_OR_RAISE(auto infos, folder.fs->GetFileInfo(selector));
    vector<place> files;
    for (const auto &info : infos) {
        string name = info.base_name();
        if (!info.IsFile() || name.empty() || name[0] == '.' || name[0] == '_') continue;
        const char *found = format_of_name(name);
        if (found != nullptr && strcmp(found, format) == 0) files.push_back({folder.fs, info.path()});
    }
    std::sort(files.begin(), files.end(), [](const place &a, const place &b) { return a.path < b.path; });
    if (files.empty()) return Status::Invalid("the folder holds no ", format, " file");
    return files;
}

// Arrow's own file wants to seek.
class standard_input final : public arrow::io::InputStream
{
  public:
    Status Close() override
    {
        closed_ = true;
        return Status::OK();
    }
    bool closed() const override { return closed_; }
    Result<int64_t> Tell() const override { return position_; }

    Result<int64_t> Read(int64_t count, void *out) override
    {
        int64_t total = 0;
        while (total < count) {
            ssize_t got = read(0, static_cast<char *>(out) + total, static_cast<size_t>(count - total));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return arrow::internal::IOErrorFromErrno(errno, "cannot read");
            if (got == 0) break;
            total += got;
        }
        position_ += total;
        return total;
    }

    Result<shared_ptr<arrow::Buffer>> Read(int64_t count) override
    {
        ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(count));
        ARROW_ASSIGN_OR_RAISE(int64_t got, Read(count, buffer->mutable_data()));
        ARROW_RETURN_NOT_OK(buffer->Resize(got, false));
        return shared_ptr<arrow::Buffer>(std::move(buffer));
    }

  private:
    int64_t position_ = 0;
    bool closed_ = false;
};

Result<shared_ptr<arrow::RecordBatchReader>> open_standard_input(read_plan &plan)
{
    auto file = std::make_shared<standard_input>();
    ARROW_ASSIGN_OR_RAISE(auto input,
                          arrow::io::BufferedInputStream::Create(1 << 20, arrow::default_memory_pool(), file));
    if (plan.format == nullptr) {
        ARROW_ASSIGN_OR_RAISE(auto first, input->Peek(4));
        if (first.size() == 4 && first == "PAR1") return Status::NotImplemented("Parquet cannot be read from a pipe");
        plan.format = first.size() == 4 && first == "\xFF\xFF\xFF\xFF" ? "arrows" : "csv";
    } else if (strcmp(plan.format, "csv") != 0 && strcmp(plan.format, "arrows") != 0) {
        return Status::NotImplemented(plan.format, " cannot be read from a pipe; csv and arrows can");
    }
    ARROW_ASSIGN_OR_RAISE(auto reader, open_stream(input, plan, std::nullopt));
    return std::make_shared<named_reader>(std::move(reader), "standard input");
}

Result<read_plan> plan_of(const ucid_io_read_options &options)
{
    read_plan plan;
    plan.all_columns = options.columns == nullptr;
    plan.columns = list_of(options.columns);
    plan.latitudes = list_of(options.latitudes);
    plan.longitudes = list_of(options.longitudes);
    plan.texts = list_of(options.texts);
    plan.more_texts = list_of(options.more_texts);
    plan.numbers = list_of(options.numbers);
    plan.keys = list_of(options.keys);
    plan.text = options.text != 0;
    plan.threads = options.threads > 0 ? options.threads : 1;
    if (options.batch_rows > 0) plan.batch_rows = options.batch_rows;
    if (options.threads > 0) ARROW_RETURN_NOT_OK(arrow::SetCpuThreadPoolCapacity(options.threads));
    if (options.format != nullptr) {
        ARROW_ASSIGN_OR_RAISE(plan.format, format_given(options.format));
    }
    return plan;
}

// The files that a name stands for: itself, or those of a folder. The first name settles the format where none is
// given.
Status add_files(const string &uri, bool given, read_plan &plan, vector<place> &files)
{
    if (uri == "-") return Status::Invalid("standard input is read alone");
    ARROW_ASSIGN_OR_RAISE(place where, place_of(uri));
    struct stat found;
    if (is_local(uri) && stat(where.path.c_str(), &found) != 0) {
        return arrow::internal::IOErrorFromErrno(errno, "cannot open");
    }
    ARROW_ASSIGN_OR_RAISE(auto info, where.fs->GetFileInfo(where.path));
    if (info.type() == arrow::fs::FileType::NotFound) {
        return arrow::internal::IOErrorFromErrno(ENOENT, "cannot open");
    }
    const char *named = format_of_name(uri);
    if (plan.format == nullptr) plan.format = named;
    if (info.IsDirectory()) {
        if (plan.format == nullptr) plan.format = "parquet";
        ARROW_ASSIGN_OR_RAISE(auto inside, files_in(where, plan.format));
        files.insert(files.end(), inside.begin(), inside.end());
        return Status::OK();
    }
    if (plan.format == nullptr) return format_unknown();
    if (!given && named != nullptr && strcmp(named, plan.format) != 0) {
        return Status::Invalid("is ", named, ", the first is ", plan.format,
                               "; files that are read together have one format");
    }
    files.push_back(std::move(where));
    return Status::OK();
}

Status open_files(const string &uri, read_plan &plan, vector<place> files, ucid_io_source *source)
{
    shared_ptr<arrow::RecordBatchReader> reader;
    int64_t rows = -1;
    if (uri == "-") {
        ARROW_ASSIGN_OR_RAISE(reader, open_standard_input(plan));
    } else if (files.size() == 1) {
        ARROW_ASSIGN_OR_RAISE(reader, open_file(files[0], plan, &rows));
    } else {
        ARROW_ASSIGN_OR_RAISE(reader, chain_reader::open(std::move(files), plan));
    }
    source->row_count = rows;
    source->format = plan.format;
    return arrow::ExportRecordBatchReader(reader, &source->stream);
}

// --------------------------------------------------------------------------------------------------------- Writers --

// A pipe, or a file: Arrow's own wants to seek, and does not say why a write failed.
class descriptor_output final : public arrow::io::OutputStream
{
  public:
    explicit descriptor_output(int fd) : fd_(fd) {}
    ~descriptor_output() override { (void)Close(); }

    Status Close() override
    {
        if (fd_ < 0) return Status::OK();
        int fd = fd_;
        fd_ = -1;
        return close(fd) == 0 ? Status::OK() : arrow::internal::IOErrorFromErrno(errno, "cannot write");
    }
    bool closed() const override { return fd_ < 0; }
    Result<int64_t> Tell() const override { return position_; }

    using arrow::io::OutputStream::Write;
    Status Write(const void *bytes, int64_t count) override
    {
        const char *from = static_cast<const char *>(bytes);
        position_ += count;
        while (count > 0) {
            ssize_t done = write(fd_, from, static_cast<size_t>(count));
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) return arrow::internal::IOErrorFromErrno(errno, "cannot write");
            from += done;
            count -= done;
        }
        return Status::OK();
    }

  private:
    int fd_;
    int64_t position_ = 0;
};

// A local file that has no name until it is complete: nothing is left behind when the process is killed. Where the file
// system cannot do that it is written beside. What is not a regular file (a pipe, /dev/full) is written to directly.
class local_file
{
  public:
    ~local_file()
    {
        if (!temporary_.empty()) unlink(temporary_.c_str());
        if (watch_ >= 0) close(watch_);
    }

    Result<shared_ptr<arrow::io::OutputStream>> open(const string &path)
    {
        path_ = path;
        struct stat found;
        if (stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode)) {
            if (S_ISDIR(found.st_mode)) return arrow::internal::IOErrorFromErrno(EISDIR, "cannot create");
            direct_ = true;
            int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
            if (fd < 0) return arrow::internal::IOErrorFromErrno(errno, "cannot create");
            return std::make_shared<descriptor_output>(fd);
        }
        if (char *real = realpath(path.c_str(), nullptr); real != nullptr) {
            path_ = real; // a link stays a link
            free(real);
        }
        size_t slash = path_.rfind('/');
        folder_ = slash == string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
        int fd = ::open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
        if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
            temporary_ = beside();
            fd = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        }
        if (fd < 0) {
            temporary_.clear();
            return arrow::internal::IOErrorFromErrno(errno, "cannot create");
        }
        watch_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (watch_ < 0) return arrow::internal::IOErrorFromErrno(errno, "cannot create");
        return std::make_shared<descriptor_output>(fd);
    }

    Status commit()
    {
        if (direct_) return Status::OK();
        if (fsync(watch_) != 0) return arrow::internal::IOErrorFromErrno(errno, "cannot write");
        if (temporary_.empty()) {
            string name = beside();
            string open_file = "/proc/self/fd/" + std::to_string(watch_);
            unlink(name.c_str());
            if (linkat(AT_FDCWD, open_file.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
                return arrow::internal::IOErrorFromErrno(errno, "cannot write");
            }
            temporary_ = name;
        }
        if (rename(temporary_.c_str(), path_.c_str()) != 0)
            return arrow::internal::IOErrorFromErrno(errno, "cannot write");
        temporary_.clear();
        if (int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); folder >= 0) {
            (void)fsync(folder);
            close(folder);
        }
        return Status::OK();
    }

  private:
    string beside() const { return path_ + "." + std::to_string(getpid()) + ".part"; }

    string path_, folder_, temporary_;
    int watch_ = -1;
    bool direct_ = false;
};

// A file of an object store or of HDFS. S3 shows an object only when its upload is completed, and an upload can be
// given up. Others show what came so far, under its name (HDFS) or when the stream is given up (GCS): there the file
// has a name of its own until it is complete.
class remote_file
{
  public:
    ~remote_file()
    {
        if (!beside_.empty()) (void)where_.fs->DeleteFile(beside_);
    }

    Result<shared_ptr<arrow::io::OutputStream>> open(const string &uri)
    {
        ARROW_ASSIGN_OR_RAISE(where_, place_of(uri));
        if (where_.fs->type_name() == "s3") return where_.fs->OpenOutputStream(where_.path);
        char host[256] = "";
        (void)gethostname(host, sizeof host - 1);
        beside_ = where_.path + "." + host + "." + std::to_string(getpid()) + ".part";
        auto stream = where_.fs->OpenOutputStream(beside_);
        if (!stream.ok()) beside_.clear();
        return stream;
    }

    Status commit()
    {
        if (beside_.empty()) return Status::OK();
        ARROW_RETURN_NOT_OK(where_.fs->Move(beside_, where_.path));
        beside_.clear();
        return Status::OK();
    }

  private:
    place where_;
    string beside_;
};

// Quotes stand only where they must, so that texts read from one CSV file are written as they were. Null is empty.
class csv_writer final : public arrow::ipc::RecordBatchWriter
{
  public:
    csv_writer(shared_ptr<arrow::io::OutputStream> out, const arrow::Schema &schema) : out_(std::move(out))
    {
        for (int i = 0; i < schema.num_fields(); i++) {
            if (i > 0) text_ += ',';
            add(schema.field(i)->name());
        }
        text_ += '\n';
    }

    Status WriteRecordBatch(const arrow::RecordBatch &batch) override
    {
        vector<shared_ptr<arrow::StringArray>> columns;
        vector<bool> plain;
        for (int i = 0; i < batch.num_columns(); i++) {
            shared_ptr<arrow::Array> column = batch.column(i);
            if (column->type_id() == arrow::Type::DICTIONARY) {
                const auto &values = static_cast<const arrow::DictionaryType &>(*column->type()).value_type();
                ARROW_ASSIGN_OR_RAISE(column, arrow::compute::Cast(*column, values));
            }
            auto id = column->type_id();
            plain.push_back(arrow::is_integer(id) || arrow::is_floating(id) || id == arrow::Type::BOOL);
            auto text = arrow::compute::Cast(*column, arrow::utf8());
            if (!text.ok()) {
                return Status::NotImplemented("column '", batch.column_name(i), "' of type ",
                                              column->type()->ToString(), " has no place in CSV");
            }
            columns.push_back(std::static_pointer_cast<arrow::StringArray>(*text));
        }
        for (int64_t row = 0; row < batch.num_rows(); row++) {
            for (size_t i = 0; i < columns.size(); i++) {
                if (i > 0) text_ += ',';
                if (columns[i]->IsNull(row)) continue;
                std::string_view value = columns[i]->GetView(row);
                if (plain[i]) {
                    text_ += value;
                } else {
                    add(value);
                }
            }
            text_ += '\n';
            if (text_.size() > 1 << 20) ARROW_RETURN_NOT_OK(flush());
        }
        return Status::OK();
    }

    Status WriteTable(const arrow::Table &, int64_t) override { return Status::NotImplemented("tables"); }
    Status Close() override { return flush(); }
    arrow::ipc::WriteStats stats() const override { return {}; }

  private:
    void add(std::string_view value)
    {
        if (value.find_first_of(",\"\r\n") == std::string_view::npos) {
            text_ += value;
            return;
        }
        text_ += '"';
        for (char c : value) {
            if (c == '"') text_ += '"';
            text_ += c;
        }
        text_ += '"';
    }

    Status flush()
    {
        Status status = out_->Write(text_.data(), static_cast<int64_t>(text_.size()));
        text_.clear();
        return status;
    }

    shared_ptr<arrow::io::OutputStream> out_;
    string text_;
};

Result<arrow::Compression::type> codec_of(const char *given, const char *format)
{
    string name = given != nullptr ? given : strcmp(format, "parquet") == 0 ? "zstd" : "none";
    if (name == "none") return arrow::Compression::UNCOMPRESSED;
    arrow::Compression::type type = arrow::Compression::UNCOMPRESSED;
    if (!arrow::util::Codec::GetCompressionType(name).Value(&type).ok() || !arrow::util::Codec::IsAvailable(type)) {
        return Status::NotImplemented("no compression '", name, "'; there are zstd, snappy, lz4, gzip, none");
    }
    if (strcmp(format, "csv") == 0) return Status::NotImplemented("CSV files are not compressed");
    return type;
}

// Dictionaries shrink what repeats; numbers and identifiers rarely do, and hashing them costs more than it saves.
void choose_encodings(const arrow::Schema &schema, parquet::WriterProperties::Builder &builder)
{
    for (const auto &field : schema.fields()) {
        auto id = field->type()->id();
        bool number = arrow::is_floating(id) || id == arrow::Type::INT64 || id == arrow::Type::UINT64 ||
                      id == arrow::Type::TIMESTAMP;
        if (number || field->name() == "ucid" || field->name() == "h3") builder.disable_dictionary(field->name());
    }
}

// Length of the UTF-8 character that a text starts with; 0 where it starts with none.
size_t character_at(std::string_view text)
{
    auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
    unsigned first = byte(0), second = byte(1);
    if (first < 0x80) return 1;
    if (first < 0xC2 || first > 0xF4 || !follows(1)) return 0;
    if (first < 0xE0) return 2;
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || !follows(2)) return 0;
    if (first < 0xF0) return 3;
    if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F) || !follows(3)) return 0;
    return 4;
}

// Texts with U+FFFD for each byte of no character; null where there is none. Most texts are ASCII and looked at once.
Result<shared_ptr<arrow::Array>> mended(const arrow::StringArray &texts)
{
    const uint8_t *bytes = texts.raw_data();
    unsigned char seen = 0;
    for (int32_t i = texts.value_offset(0), end = texts.value_offset(texts.length()); i < end; i++) seen |= bytes[i];
    if (seen < 0x80) return nullptr;
    bool found = false;
    arrow::StringBuilder builder;
    string text;
    ARROW_RETURN_NOT_OK(builder.Reserve(texts.length()));
    for (int64_t row = 0; row < texts.length(); row++) {
        if (texts.IsNull(row)) {
            ARROW_RETURN_NOT_OK(builder.AppendNull());
            continue;
        }
        std::string_view rest = texts.GetView(row);
        text.clear();
        while (!rest.empty()) {
            size_t length = character_at(rest);
            found |= length == 0;
            text += length == 0 ? "\xEF\xBF\xBD" : rest.substr(0, length);
            rest.remove_prefix(std::max<size_t>(length, 1));
        }
        ARROW_RETURN_NOT_OK(builder.Append(text));
    }
    if (!found) return nullptr;
    return builder.Finish();
}

// Parquet and Arrow files promise UTF-8, a CSV file that was read does not.
Status mend_texts(shared_ptr<arrow::RecordBatch> &batch)
{
    for (int i = 0; i < batch->num_columns(); i++) {
        if (batch->column(i)->type_id() != arrow::Type::STRING || batch->num_rows() == 0) continue;
        ARROW_ASSIGN_OR_RAISE(auto texts, mended(static_cast<const arrow::StringArray &>(*batch->column(i))));
        if (texts == nullptr) continue;
        ARROW_ASSIGN_OR_RAISE(batch, batch->SetColumn(i, batch->schema()->field(i), texts));
    }
    return Status::OK();
}

} // namespace

struct ucid_io_writer {
    string uri;
    bool csv = false;
    int64_t batch_rows = 0; // 0: any
    vector<int> chosen;     // columns that are written
    shared_ptr<arrow::Schema> given, schema;
    shared_ptr<arrow::io::OutputStream> stream;
    std::unique_ptr<local_file> file;
    std::unique_ptr<remote_file> remote;
    std::unique_ptr<parquet::arrow::FileWriter> parquet;
    shared_ptr<arrow::ipc::RecordBatchWriter> batches;
};

namespace
{

Status create_writer(const ucid_io_write_options &options, struct ArrowSchema *schema, ucid_io_writer &writer)
{
    ARROW_ASSIGN_OR_RAISE(writer.given, arrow::ImportSchema(schema));
    arrow::FieldVector fields;
    for (int i = 0; i < writer.given->num_fields(); i++) {
        const string &name = writer.given->field(i)->name();
        if (!name.empty() && name.back() == UCID_IO_HIDDEN) continue;
        writer.chosen.push_back(i);
        fields.push_back(writer.given->field(i));
    }
    writer.schema = arrow::schema(fields, writer.given->metadata());
    if (options.threads > 0) ARROW_RETURN_NOT_OK(arrow::SetCpuThreadPoolCapacity(options.threads));

    const char *format = writer.uri == "-" ? "arrows" : format_of_name(writer.uri);
    if (options.format != nullptr) {
        ARROW_ASSIGN_OR_RAISE(format, format_given(options.format));
    }
    if (format == nullptr) return format_unknown();
    ARROW_ASSIGN_OR_RAISE(auto codec, codec_of(options.compression, format));

    if (writer.uri == "-") {
        int fd = fcntl(1, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) return arrow::internal::IOErrorFromErrno(errno, "cannot write");
        writer.stream = std::make_shared<descriptor_output>(fd);
    } else if (is_local(writer.uri)) {
        ARROW_ASSIGN_OR_RAISE(place where, place_of(writer.uri));
        writer.file = std::make_unique<local_file>();
        ARROW_ASSIGN_OR_RAISE(writer.stream, writer.file->open(where.path));
    } else {
        writer.remote = std::make_unique<remote_file>();
        ARROW_ASSIGN_OR_RAISE(writer.stream, writer.remote->open(writer.uri));
    }

    if (strcmp(format, "parquet") == 0) {
        parquet::WriterProperties::Builder builder;
        builder.compression(codec);
        if (codec == arrow::Compression::ZSTD) builder.compression_level(1);
        builder.max_row_group_length(rows_within(row_group_bytes, writer.schema->num_fields(), row_group_rows));
        builder.created_by("ucid " UCID_VERSION);
        choose_encodings(*writer.schema, builder);
        parquet::ArrowWriterProperties::Builder arrow_builder;
        arrow_builder.store_schema();
        arrow_builder.set_use_threads(options.threads != 1);
        ARROW_ASSIGN_OR_RAISE(writer.parquet,
                              parquet::arrow::FileWriter::Open(*writer.schema, arrow::default_memory_pool(),
                                                               writer.stream, builder.build(), arrow_builder.build()));
    } else if (strcmp(format, "csv") == 0) {
        writer.csv = true;
        writer.batches = std::make_shared<csv_writer>(writer.stream, *writer.schema);
    } else {
        auto ipc = arrow::ipc::IpcWriteOptions::Defaults();
        if (codec != arrow::Compression::UNCOMPRESSED) {
            ARROW_ASSIGN_OR_RAISE(ipc.codec, arrow::util::Codec::Create(codec));
        }
        if (strcmp(format, "arrow") == 0) {
            ARROW_ASSIGN_OR_RAISE(writer.batches, arrow::ipc::MakeFileWriter(writer.stream, writer.schema, ipc));
        } else {
            ARROW_ASSIGN_OR_RAISE(writer.batches, arrow::ipc::MakeStreamWriter(writer.stream, writer.schema, ipc));
        }
    }
    return Status::OK();
}

ucid_status io_open(const char *uri, const ucid_io_read_options *options, ucid_io_source *source, ucid_error *error)
{
    read_plan plan;
    vector<place> files;
    bool alone = options->more == nullptr || *options->more == nullptr, piped = alone && strcmp(uri, "-") == 0;
    ucid_status status = guarded(uri, error, [&] {
        ARROW_ASSIGN_OR_RAISE(plan, plan_of(*options));
        return piped ? Status::OK() : add_files(uri, options->format != nullptr, plan, files);
    });
    for (const char *const *name = options->more; !alone && status == UCID_OK && *name != nullptr; name++) {
        status = guarded(*name, error, [&] { return add_files(*name, options->format != nullptr, plan, files); });
    }
    if (status != UCID_OK) return status;
    return guarded(uri, error, [&] { return open_files(uri, plan, std::move(files), source); });
}

void io_abort(ucid_io_writer *writer)
{
    if (writer == nullptr) return;
    try {
        if (writer->stream != nullptr && !writer->stream->closed()) (void)writer->stream->Abort();
    } catch (const std::exception &) {
        // The file has no name, or its temporary one goes below.
    }
    delete writer;
}

ucid_status io_create(const char *uri, const ucid_io_write_options *options, struct ArrowSchema *schema,
                      ucid_io_writer **writer, ucid_error *error)
{
    ucid_io_writer *made = nullptr;
    ucid_status status = guarded(uri, error, [&] {
        made = new ucid_io_writer;
        made->uri = uri;
        struct ArrowSchema copy;
        ARROW_ASSIGN_OR_RAISE(auto given, arrow::ImportSchema(schema));
        ARROW_RETURN_NOT_OK(arrow::ExportSchema(*given, schema));
        ARROW_RETURN_NOT_OK(arrow::ExportSchema(*given, &copy));
        return create_writer(*options, &copy, *made);
    });
    if (status != UCID_OK) {
        io_abort(made);
        return status;
    }
    *writer = made;
    return UCID_OK;
}

ucid_status io_write(ucid_io_writer *writer, struct ArrowArray *batch, ucid_error *error)
{
    return guarded(writer->uri, error, [&] {
        ARROW_ASSIGN_OR_RAISE(auto rows, arrow::ImportRecordBatch(batch, writer->given));
        if (writer->chosen.size() != static_cast<size_t>(writer->given->num_fields())) {
            ARROW_ASSIGN_OR_RAISE(rows, rows->SelectColumns(writer->chosen));
        }
        if (rows->num_rows() == 0) return Status::OK();
        if (!writer->csv) ARROW_RETURN_NOT_OK(mend_texts(rows));
        return writer->parquet != nullptr ? writer->parquet->WriteRecordBatch(*rows)
                                          : writer->batches->WriteRecordBatch(*rows);
    });
}

ucid_status io_commit(ucid_io_writer *writer, ucid_error *error)
{
    ucid_status status = guarded(writer->uri, error, [&] {
        if (writer->parquet != nullptr) ARROW_RETURN_NOT_OK(writer->parquet->Close());
        if (writer->batches != nullptr) ARROW_RETURN_NOT_OK(writer->batches->Close());
        ARROW_RETURN_NOT_OK(writer->stream->Close());
        if (writer->remote != nullptr) return writer->remote->commit();
        return writer->file != nullptr ? writer->file->commit() : Status::OK();
    });
    io_abort(writer);
    return status;
}

ucid_status io_read_bytes(const char *uri, char **bytes, size_t *length, ucid_error *error)
{
    return guarded(uri, error, [&]() -> Status {
        ARROW_ASSIGN_OR_RAISE(place where, place_of(uri));
        ARROW_ASSIGN_OR_RAISE(auto file, where.fs->OpenInputFile(where.path));
        ARROW_ASSIGN_OR_RAISE(int64_t size, file->GetSize());
        ARROW_ASSIGN_OR_RAISE(auto buffer, file->ReadAt(0, size));
        size_t count = static_cast<size_t>(buffer->size());
        char *copy = new char[count + 1];
        if (count > 0) memcpy(copy, buffer->data(), count);
        copy[count] = '\0';
        *bytes = copy;
        *length = count;
        return Status::OK();
    });
}

void io_release_bytes(char *bytes) { delete[] bytes; }

ucid_status io_read_pieces(const char *uri, int (*take)(void *, const void *, size_t), void *ctx, int *stopped,
                           ucid_error *error)
{
    constexpr int64_t piece = 4 << 20;
    return guarded(uri, error, [&]() -> Status {
        ARROW_ASSIGN_OR_RAISE(place where, place_of(uri));
        ARROW_ASSIGN_OR_RAISE(auto file, where.fs->OpenInputStream(where.path));
        for (;;) {
            ARROW_ASSIGN_OR_RAISE(auto buffer, file->Read(piece));
            if (buffer->size() == 0) return Status::OK();
            *stopped = take(ctx, buffer->data(), static_cast<size_t>(buffer->size()));
            if (*stopped != 0) return Status::OK();
        }
    });
}

void io_finish()
{
#if ARROW_VERSION_MAJOR >= 20
    arrow::fs::EnsureFinalized();
#endif
}

} // namespace

extern "C" const ucid_io *ucid_io_get(void)
{
    static const ucid_io io = {UCID_IO_ABI, io_open,       io_create,        io_write,       io_commit,
                               io_abort,    io_read_bytes, io_release_bytes, io_read_pieces, io_finish};
#if ARROW_VERSION_MAJOR >= 21
    static const bool ready = arrow::compute::Initialize().ok();
    if (!ready) return nullptr;
#endif
    return &io;
}
