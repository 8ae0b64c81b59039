/* Runs kernels on the threads that torch computes with.
 *
 * After each operation torch's threads (libgomp's) wait for the next one in a loop, for
 * milliseconds, as waking up would take longer. Threads of our own would have to share the
 * processors with them. So the very same threads are asked, by the functions that a compiler calls
 * for OpenMP.
 */
#include <stddef.h>

typedef ptrdiff_t size;

typedef struct {
    void (*kernel)(const void *arguments, size first, size last, float *room, void *sums);
    const void *arguments;
    const size *bounds;            /* of its pieces: one more than there are */
    char *sums;                    /* of each piece; null for none */
    size sums_step;                /* bytes from one piece's to the next's */
    int pieces, next;              /* next: the piece that nobody has taken yet */
} Job;

typedef struct {
    Job *jobs;
    int count, threads;
    float *room;                   /* of each thread */
    size room_step;                /* floats from one thread's to the next's */
} Jobs;

typedef struct {                   /* libgomp's */
    void (*parallel)(void (*work)(void *), void *data, unsigned threads, unsigned flags);
    int (*thread)(void);
    void (*barrier)(void);
} Team;

typedef struct {
    Jobs *of;
    const Team *team;
} Run;

/* Take pieces of a job until there are none left. */
static void take(Job *job, float *room)
{
    for (;;) {
        int i = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (i >= job->pieces)
            return;
        job->kernel(job->arguments, job->bounds[i], job->bounds[i + 1], room,
                    job->sums ? job->sums + i * job->sums_step : 0);
    }
}

/* What each thread does: all jobs, one after the other, each begun when the one before is done. */
static void work(void *data)
{
    Run *run = data;
    float *room = run->of->room + run->team->thread() * run->of->room_step;
    for (int j = 0; j < run->of->count; j++) {
        if (j)
            run->team->barrier();
        take(run->of->jobs + j, room);
    }
}

void run_jobs(Jobs *jobs, const Team *team)
{
    int most = 0;
    for (int j = 0; j < jobs->count; j++) {
        jobs->jobs[j].next = 0;
        most = jobs->jobs[j].pieces > most ? jobs->jobs[j].pieces : most;
    }
    if (most > 1 && jobs->threads > 1 && team) {
        Run run = {jobs, team};
        team->parallel(work, &run, jobs->threads, 0);
    } else
        for (int j = 0; j < jobs->count; j++)
            take(jobs->jobs + j, jobs->room);
}

/* Run one job: what Python would take long to put into structures. */
void run_job(void *kernel, const void *arguments, const size *bounds, int pieces, char *sums,
             size sums_step, float *room, size room_step, int threads, const Team *team)
{
    Job job = {kernel, arguments, bounds, sums, sums_step, pieces, 0};
    Jobs jobs = {&job, 1, threads, room, room_step};
    run_jobs(&jobs, team);
}
