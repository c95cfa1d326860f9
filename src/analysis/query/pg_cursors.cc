// Cursors of SQL and COPY: what a session runs besides plain statements.
#include "analysis/query/pg_session.h"

namespace tarn::query {
namespace {

Error NoCursor(const std::string& name) {
    return Error(ErrorCode::kNotFound, "there is no cursor \"{}\"", name).WithDetailCode("34000");
}

}  // namespace

Status PgSession::RunDeclare(Portal& portal) {
    const std::shared_ptr<Prepared> prepared = portal.prepared;
    const CursorCommand& cursor = *prepared->cursor;
    if (transaction_ == 'I' && !cursor.hold) {
        return Error(ErrorCode::kFailedPrecondition, "a cursor WITHOUT HOLD lives within a transaction only")
            .WithDetailCode("25P01")
            .WithHint("send BEGIN first, or DECLARE ... CURSOR WITH HOLD");
    }
    TRY(CheckRoomFor(cursor.name));
    if (portals_.contains(cursor.name)) {
        return Error(ErrorCode::kAlreadyExists, "there is a cursor \"{}\" already", cursor.name)
            .WithDetailCode("42P03");
    }
    auto declared = std::make_shared<Portal>();
    declared->prepared = prepared;
    declared->cursor = true;
    declared->hold = cursor.hold;
    TRY(Dispatch(kExecute, prepared->sql, TablesOf(*prepared), [&](security::Call&) -> Status {
        declared->result = TRY(prepared->statement->Execute(portal.parameters));
        return Ok();
    }));
    portals_[cursor.name] = std::move(declared);
    SendComplete("DECLARE CURSOR");
    return Ok();
}

// Where a FETCH or MOVE begins to count, and how many rows it means from there; -1: all.
Result<int64_t> PgSession::Seek(Portal& source, const CursorCommand& command) {
    int64_t ahead = command.count;
    if (command.absolute) ahead -= source.rows;
    bool stays = command.count == 0 && source.rows == 0;
    if (command.absolute && ahead <= 0 && !stays) {
        return Error(ErrorCode::kNotSupported, "cursors go forward only").WithDetailCode("55000");
    }
    bool last_only = command.absolute || command.skip;
    if (!last_only || ahead <= 0) return last_only ? 0 : ahead;
    TRY(SkipRows(source, ahead - 1));
    return 1;
}

Status PgSession::RunFetch(Portal& portal, bool describe_rows) {
    const CursorCommand& command = *portal.prepared->cursor;
    TRY(CheckTransaction());
    auto found = portals_.find(command.name);
    if (found == portals_.end() || !found->second->cursor) return NoCursor(command.name);
    const std::shared_ptr<Portal> source = found->second;
    bool move = command.action == CursorCommand::Action::kMove;
    return Dispatch(kExecute, portal.prepared->sql, TablesOf(*source->prepared), [&](security::Call& call) -> Status {
        size_t columns = source->result->columns().size();
        std::vector<bool> binary = Spread(portal.formats, columns);
        if (portal.formats.empty()) binary.assign(columns, source->prepared->cursor->binary);
        if (describe_rows && !move) DescribeColumns(source->result->columns(), binary);
        int64_t wanted = TRY(Seek(*source, command));
        int64_t done = 0;
        if (move) {
            done = TRY(SkipRows(*source, wanted));
        } else if (wanted != 0) {
            bool suspended = false;
            TRY(SendRows(*source, binary, std::max<int64_t>(wanted, 0), call, suspended));
            done = call.rows;
        }
        SendComplete(fmt::format("{} {}", move ? "MOVE" : "FETCH", done));
        return Ok();
    });
}

Result<int64_t> PgSession::SkipRows(Portal& portal, int64_t rows_max) {
    int64_t skipped = 0;
    while (rows_max < 0 || skipped < rows_max) {
        if (!TRY(HasRow(portal))) break;
        auto left = static_cast<int64_t>(portal.chunk->rows() - portal.row);
        int64_t step = rows_max < 0 ? left : std::min(left, rows_max - skipped);
        portal.row += static_cast<size_t>(step);
        portal.rows += step;
        skipped += step;
    }
    return skipped;
}

Status PgSession::RunCopy(Portal& portal) {
    const std::shared_ptr<Prepared> prepared = portal.prepared;
    return Dispatch(kExecute, prepared->sql, TablesOf(*prepared), [&](security::Call& call) -> Status {
        portal.result = TRY(prepared->statement->Execute(portal.parameters));
        const auto& columns = portal.result->columns();
        WriteCopyStart(out_, *prepared->copy, columns);
        while (TRY(HasRow(portal))) {
            size_t before = out_.buffer().size();
            bool first = call.rows == 0;
            Status written = WriteCopyRow(out_, *prepared->copy, columns, *portal.chunk, portal.row, first);
            if (!written.ok()) {
                out_.Truncate(before);
                return written;
            }
            ++portal.row;
            ++call.rows;
            call.bytes += static_cast<int64_t>(out_.buffer().size() - before);
            TRY(FlushIfLarge());
        }
        WriteCopyEnd(out_, *prepared->copy, call.rows == 0);
        SendComplete(fmt::format("COPY {}", call.rows));
        return Ok();
    });
}

Status PgSession::CloseCursors(const std::string& name) {
    if (name.empty()) {
        std::erase_if(portals_, [](const auto& one) { return one.second->cursor; });
        return Ok();
    }
    return portals_.erase(name) > 0 ? Ok() : Status(NoCursor(name));
}

}  // namespace tarn::query
