// DescribeAcls, CreateAcls and DeleteAcls (KIP-140, 290).
#include <map>

#include "ingestion/buffer/acls.h"
#include "ingestion/buffer/handlers.h"
#include "wire/kafka/messages/create_acls.h"
#include "wire/kafka/messages/delete_acls.h"
#include "wire/kafka/messages/describe_acls.h"

namespace tarn::buffer {
namespace {

template <typename Filter>
AclFilter FilterOf(const Filter& filter) {
    return {static_cast<AclResource>(filter.resource_type_filter),
            filter.resource_name_filter,
            static_cast<AclPattern>(filter.pattern_type_filter),
            filter.principal_filter,
            filter.host_filter,
            static_cast<AclOperation>(filter.operation),
            static_cast<AclPermission>(filter.permission_type)};
}

template <typename Into>
void Tell(const Error& error, Into& into) {
    into.error_code = CodeOf(error);
    into.error_message = error.message();
}

// Adds the rules of one principal: one change of its role, one call.
void CreateFor(const ExchangePtr& exchange, const std::string& principal,
               const std::vector<std::pair<Acl, kafka::CreateAclsResponseResult*>>& wanted) {
    Status done = exchange->Run("role", Acls::RoleOf(principal), [&](security::Call& call) -> Status {
        std::vector<Acl> acls;
        for (const auto& [acl, into] : wanted) {
            Status right = Acls::Check(acl);
            if (right.ok()) {
                acls.push_back(acl);
            } else {
                Tell(right.error(), *into);
            }
        }
        call.details["principal"] = principal;
        call.details["rules"] = acls.size();
        return acls.empty() ? Ok() : exchange->broker().acls.Add(principal, acls);
    });
    if (done.ok()) return;
    for (const auto& [acl, into] : wanted) {
        if (into->error_code == 0) Tell(done.error(), *into);
    }
}

kafka::DeleteAclsResponseAcl RemovedOf(const Acl& acl) {
    kafka::DeleteAclsResponseAcl removed;
    removed.error_message.reset();
    removed.resource_type = static_cast<int8_t>(acl.resource);
    removed.resource_name = acl.name;
    removed.pattern_type = static_cast<int8_t>(acl.pattern);
    removed.principal = acl.principal;
    removed.host = acl.host;
    removed.operation = static_cast<int8_t>(acl.operation);
    removed.permission_type = static_cast<int8_t>(acl.permission);
    return removed;
}

// Removes what a filter matches; rules that stand elsewhere are answered with where.
void DeleteBy(const ExchangePtr& exchange, const AclFilter& filter, kafka::DeleteAclsResponseResult& into) {
    Acls& acls = exchange->broker().acls;
    std::map<std::string, std::vector<Acl>> own;
    for (const Acls::Listed& one : acls.All()) {
        if (!filter.Matches(one.acl)) continue;
        if (one.own) {
            own[one.acl.principal].push_back(one.acl);
            continue;
        }
        auto& kept = into.matching_acls.emplace_back(RemovedOf(one.acl));
        kept.error_code = CodeOf(KafkaError::kPolicyViolation);
        kept.error_message = fmt::format("it is in {}: change it there", one.where);
    }
    // Clients pass over the errors of single rules: where nothing can be removed, the filter's error says so.
    if (own.empty() && !into.matching_acls.empty()) {
        into.error_code = into.matching_acls[0].error_code;
        into.error_message = into.matching_acls[0].error_message;
        into.matching_acls.clear();
    }
    for (const auto& [principal, of_principal] : own) {
        Status done = exchange->Run("role", Acls::RoleOf(principal), [&](security::Call& call) {
            call.details["principal"] = principal;
            call.details["rules"] = of_principal.size();
            return acls.Remove(principal, of_principal);
        });
        for (const Acl& acl : of_principal) {
            auto& removed = into.matching_acls.emplace_back(RemovedOf(acl));
            if (!done.ok()) Tell(done.error(), removed);
        }
    }
}

}  // namespace

void HandleDescribeAcls(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DescribeAclsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, filter = FilterOf(*request)] {
        kafka::DescribeAclsResponse answer;
        answer.error_message.reset();
        Status done = exchange->Run("role", "*", [&](security::Call&) {
            using Place = std::tuple<AclResource, std::string, AclPattern>;
            std::map<Place, std::set<Acl>> found;
            for (const Acls::Listed& one : exchange->broker().acls.All()) {
                if (!filter.Matches(one.acl)) continue;
                found[{one.acl.resource, one.acl.name, one.acl.pattern}].insert(one.acl);
            }
            for (const auto& [place, acls] : found) {
                auto& into = answer.resources.emplace_back();
                into.resource_type = static_cast<int8_t>(std::get<0>(place));
                into.resource_name = std::get<1>(place);
                into.pattern_type = static_cast<int8_t>(std::get<2>(place));
                for (const Acl& acl : acls) {
                    into.acls.push_back({acl.principal, acl.host, static_cast<int8_t>(acl.operation),
                                         static_cast<int8_t>(acl.permission)});
                }
            }
            return Ok();
        });
        if (!done.ok()) Tell(done.error(), answer);
        exchange->Answer(answer);
    });
}

void HandleCreateAcls(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::CreateAclsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::CreateAclsResponse answer;
        answer.results.resize(request.creations.size());
        std::map<std::string, std::vector<std::pair<Acl, kafka::CreateAclsResponseResult*>>> wanted;
        for (size_t index = 0; index < request.creations.size(); ++index) {
            const auto& one = request.creations[index];
            answer.results[index].error_message.reset();
            Acl acl{static_cast<AclResource>(one.resource_type),
                    one.resource_name,
                    static_cast<AclPattern>(one.resource_pattern_type),
                    one.principal,
                    one.host,
                    static_cast<AclOperation>(one.operation),
                    static_cast<AclPermission>(one.permission_type)};
            wanted[one.principal].emplace_back(std::move(acl), &answer.results[index]);
        }
        for (const auto& [principal, acls] : wanted) CreateFor(exchange, principal, acls);
        exchange->Answer(answer);
    });
}

void HandleDeleteAcls(const ExchangePtr& exchange) {
    auto request = exchange->Decode<kafka::DeleteAclsRequest>();
    if (!request) return;
    exchange->OnExecutor([exchange, request = *std::move(request)] {
        kafka::DeleteAclsResponse answer;
        // Who may not see the rules gets none, neither does what the filter matches decide it.
        Status may = exchange->RunAs(kafka::ApiKey::kDescribeAcls, "role", "*", [](security::Call&) { return Ok(); });
        for (const auto& filter : request.filters) {
            auto& into = answer.filter_results.emplace_back();
            into.error_message.reset();
            if (may.ok()) {
                DeleteBy(exchange, FilterOf(filter), into);
            } else {
                Tell(may.error(), into);
            }
        }
        exchange->Answer(answer);
    });
}

}  // namespace tarn::buffer
